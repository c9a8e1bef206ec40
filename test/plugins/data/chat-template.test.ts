import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { z } from 'zod';
import fc from '../../property.js';
import { TokenizersByName } from '../../../core/runs.js';
import { chatml, chatTemplate } from '../../../plugins/data/contract.js';
import { encodeTexts } from '../../../plugins/data/prepare/encode.js';
import { componentTokenizers } from '../../plugins/tokenizers/hf-components.js';
import { byteLevelTokenizer } from '../../plugins/tokenizers/hf-definition.js';
import { emptyFolder } from '../../e2e/command.js';
import { needing, tokenizerLibrary } from '../../needs.js';

const message = z.object({ role: z.string(), content: z.string() });
const rendered = z
  .object({
    special_tokens: z.record(z.string(), z.string()),
    cases: z.array(
      z.object({
        name: z.string(),
        template: z.string(),
        messages: z.array(message),
        text: z.string(),
        prompt: z.string(),
        answers: z.array(z.string()).nullable(),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync('test/fixtures/chat/rendered.json', 'utf8')));

// By transformers 5 (`render_jinja_template`), of templates in the manner of well-known ones.
test('templates write what transformers writes, and mark its answers', async (t) => {
  const { special_tokens, cases } = rendered;
  for (const { name, template, messages, text, prompt, answers } of cases) {
    const chat = await chatTemplate({ template, special_tokens });
    const parts = chat.parts(messages);
    t.is(parts.map((part) => part.text).join(''), text, name);
    t.is(chat.prompt(messages.slice(0, -1)), prompt, name);
    const learned = parts.filter((part) => part.learned).map((part) => part.text);
    const contents = messages.filter(({ role }) => role === 'assistant').map(({ content }) => content);
    if (answers !== null) t.deepEqual(learned, answers, name);
    else
      t.deepEqual(
        learned,
        contents.map((content) => (name === 'llama3' ? content.trim() : content) + chat.endOfTurn()),
      );
  }
});

test('the end of a turn is what follows an answer', async (t) => {
  t.is((await chatTemplate(chatml)).endOfTurn(), '<|im_end|>');
  const { template } = rendered.cases.find(({ name }) => name === 'zephyr') ?? chatml;
  t.is((await chatTemplate({ template, special_tokens: { eos_token: '</s>' } })).endOfTurn(), '</s>');
});

test('of a template that cannot show where answers are, and of one that is not valid, it is said why', async (t) => {
  const ask = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b' },
    { role: 'user', content: 'c' },
    { role: 'assistant', content: 'd' },
  ];
  const changing =
    "{% for m in messages %}{% if m.role == 'assistant' and not loop.last %}-{% else %}{{ m.content }}{% endif %}{% endfor %}";
  const chat = await chatTemplate({ template: changing, special_tokens: {} });
  t.throws(() => chat.parts(ask), {
    message: /writes message 2.* differently when more messages follow.*\{% generation %\}/,
  });
  const dated = await chatTemplate({
    template: "{{ strftime_now('%d') }}{{ messages[0].content }}",
    special_tokens: {},
  });
  t.throws(() => dated.parts(ask), { message: /the chat template rejects it.*strftime_now.*with a fixed date/ });
  await t.throwsAsync(chatTemplate({ template: '{% for', special_tokens: {} }), {
    message: /is not valid.*/,
    code: 'ESP_CHAT_TEMPLATE',
  });
});

test('the pieces of a conversation do not depend on their content', async (t) => {
  const chat = await chatTemplate(chatml);
  const roles = fc.constantFrom('system', 'user', 'assistant');
  const messages = fc.array(fc.record({ role: roles, content: fc.string({ unit: 'grapheme' }) }), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(messages, (all) => {
      fc.pre(all.some(({ role }) => role === 'assistant'));
      const parts = chat.parts(all);
      const text = all.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('');
      t.is(parts.map((part) => part.text).join(''), text);
      const answers = all.filter(({ role }) => role === 'assistant').map(({ content }) => `${content}<|im_end|>`);
      t.deepEqual(
        parts.filter(({ learned }) => learned).map((part) => part.text),
        answers,
      );
    }),
    { numRuns: 100 },
  );
});

needing(tokenizerLibrary())(
  'where a text may be cut, a conversation in pieces has the tokens of the whole',
  async (t) => {
    const folder = emptyFolder(t);
    const file = path.join(folder, 'tokenizer.json');
    const texts = ['a b\n', 'The end.', '\n\nc 12 ', 'd', ' e f', '\ng'];
    for (const [name, definition] of Object.entries({ ...componentTokenizers(), 'byte level': byteLevelTokenizer() })) {
      writeFileSync(file, JSON.stringify(definition));
      const tokenizer = await (
        await new TokenizersByName(folder).factory({ use: 'hf', options: { file } })
      ).forText('');
      for (const [left, right] of texts.flatMap((left) => texts.map((right) => [left, right] as const))) {
        const parts = [left, right].map((text, index) => ({ text, learned: index === 1 }));
        const all = { texts: [left + right], parts: [parts], bytes: 0, lines: 0 };
        const { tokens, mask } = await encodeTexts(tokenizer, all, '');
        const first = await tokenizer.encode(left);
        t.deepEqual(
          mask,
          Uint8Array.from(tokens, (_, i) => (i < first.length ? 0 : 1)),
          name,
        );
        const [a = 0, b = 0] = [left.codePointAt(left.length - 1), right.codePointAt(0)];
        if (tokenizer.canCut?.(a, b) === true)
          t.deepEqual([...tokens], [...(await tokenizer.encode(left + right))], name);
      }
    }
  },
);
