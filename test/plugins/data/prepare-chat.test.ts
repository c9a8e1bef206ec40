import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { Dataset } from '../../../core/index.js';
import { chatml, storedChatFormat } from '../../../plugins/data/contract.js';
import { testRun } from '../../../plugins/testing/contract.js';
import { byteLevelTokenizer } from '../../plugins/tokenizers/hf-definition.js';
import { emptyFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { needing, tokenizerLibrary } from '../../needs.js';

interface Read {
  readonly documents: string[];
  readonly learned: string[];
}

/** The conversations of prepared data as text, and with everything that is not learned as `_`. */
async function read(cwd: string, dir: string): Promise<Read> {
  await using made = await testRun({
    cwd,
    config: { data: { dir }, model: { n_layer: 1, n_embd: 4, n_head: 1, block_size: 4 } },
  });
  const dataset = made.run.container.resolve(Dataset);
  const reader = dataset.split('train');
  const [ids, targets] = [new Int32Array(reader.length), new Int32Array(reader.length)];
  reader.read(0, ids.length, ids, 0);
  reader.readTargets?.(0, ids.length, targets, 0);
  const starts = [...(reader.documents?.() ?? []), reader.length];
  const read: Read = { documents: [], learned: [] };
  for (const [i, start] of starts.slice(0, -1).entries()) {
    const end = starts[i + 1] ?? 0;
    read.documents.push((await dataset.tokenizer?.decode(ids.subarray(start, end))) ?? '');
    let text = '';
    for (let at = start; at < end;) {
      let to = at + 1;
      while (to < end && (targets[to] === -1) === (targets[at] === -1)) to++;
      text += targets[at] === -1 ? '_' : ((await dataset.tokenizer?.decode(targets.subarray(at, to))) ?? '');
      at = to;
    }
    read.learned.push(text);
  }
  return read;
}

const talk = (i: number) => [
  { role: 'system', content: 'Bé brief.' },
  { role: 'user', content: `${String(i)} + 1?` },
  { role: 'assistant', content: String(i + 1) },
  { role: 'user', content: '\nThanks 😀' },
  { role: 'assistant', content: ' Bye\n' },
];
const jsonl = (count: number): string =>
  Array.from({ length: count }, (_, i) => `${JSON.stringify({ id: i, messages: talk(i) })}\n`).join('');
const chatmlOf = (i: number): string =>
  talk(i)
    .map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`)
    .join('');

for (const tokenizer of ['bytes', 'gpt2', 'char']) {
  test(`ChatML with ${tokenizer}: a record is a document, and answers with their mark are learned`, async (t) => {
    const folder = emptyFolder(t);
    writeFileSync(path.join(folder, 'a.jsonl'), jsonl(20));
    const { code, err, out } = await espalier(folder, 'prepare', 'a.jsonl', '--chat', '-t', tokenizer, '-o', 'data');
    t.is(code, 0, err);
    t.regex(out, /train {2}[\d,]+ tokens \([\d,]+ learned\) of 18 conversations/);
    const { documents, learned } = await read(folder, 'data');
    const trained = Array.from({ length: 20 }, (_, i) => i).filter((i) => i % 10 !== 4);
    t.deepEqual(documents, trained.map(chatmlOf));
    t.deepEqual(
      learned,
      trained.map((i) => `_${String(i + 1)}<|im_end|>_ Bye\n<|im_end|>_`),
    );
  });
}

test('ShareGPT’s form, arrays of records and several files give the same on any number of workers', async (t) => {
  const folder = emptyFolder(t);
  const shareGpt = (i: number) =>
    talk(i).map(({ role, content }) => ({ from: { user: 'human', assistant: 'gpt' }[role] ?? role, value: content }));
  writeFileSync(path.join(folder, 'a.jsonl'), jsonl(1200));
  writeFileSync(
    path.join(folder, 'b.json'),
    JSON.stringify(
      Array.from({ length: 1200 }, (_, i) => ({ conversations: shareGpt(i) })),
      null,
      1,
    ),
  );
  const of = async (...args: string[]): Promise<Buffer[]> => {
    const { code, err } = await espalier(folder, 'prepare', ...args, '--chat', '-t', 'bytes', '--force', '-o', 'data');
    t.is(code, 0, err);
    const names = readdirSync(path.join(folder, 'data')).filter((name) => name !== 'meta.json');
    return names.map((name) => readFileSync(path.join(folder, 'data', name)));
  };
  const one = await of('a.jsonl', '--workers', '1', '--shard-tokens', '80000');
  t.is(one.length, 12);
  t.deepEqual(await of('b.json', '--workers', '3', '--shard-tokens', '80000'), one);
});

test('the template is saved in data and checkpoints; folders with different templates are refused together', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'a.jsonl'), jsonl(20));
  writeFileSync(
    path.join(folder, 'own.jinja'),
    '{% for m in messages %}{{ m.role[0] + m.content + "\n" }}{% endfor %}',
  );
  for (const [out, ...args] of [['one'], ['two', '--chat-template', 'own.jinja']]) {
    const { code, err } = await espalier(
      folder,
      'prepare',
      'a.jsonl',
      '--chat',
      '-t',
      'bytes',
      '-o',
      out ?? '',
      ...args,
    );
    t.is(code, 0, err);
  }
  const config = (dir: unknown) => ({ data: { dir }, model: { n_layer: 1, n_embd: 4, n_head: 1, block_size: 4 } });
  await using made = await testRun({ cwd: folder, config: config('one') });
  t.deepEqual(storedChatFormat(made.run.snapshot().state.plugins), chatml);
  await t.throwsAsync(testRun({ cwd: folder, config: config(['one', 'two']) }), {
    message: /one and two have different chat templates/,
  });
  // Without a generation prompt in the template, the model has to write the mark of its turn itself.
  t.is((await read(folder, 'two')).learned[0], '_a1\n_a Bye\n\n');
});

needing(tokenizerLibrary())(
  'a tokenizer.json’s own template, its special tokens, and marks that are tokens',
  async (t) => {
    const folder = emptyFolder(t);
    const token = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    const added = ['<s>', '</s>', '<|im_start|>', '<|im_end|>'].map((content, i) => ({
      ...token,
      id: 256 + i,
      content,
    }));
    const write = (name: string, content: unknown): void => {
      writeFileSync(path.join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
    };
    mkdirSync(path.join(folder, 'tok'));
    write('tok/tokenizer.json', { ...byteLevelTokenizer(), added_tokens: added });
    write('a.jsonl', jsonl(20));
    const prepare = (...args: string[]) =>
      espalier(folder, 'prepare', 'a.jsonl', '--chat', '-t', 'tok/tokenizer.json', '-o', 'data', '--force', ...args);
    const without = await prepare('--chat-template', 'tokenizer');
    t.regex(
      without.err,
      /no chat_template\.jinja, and no chat_template in tokenizer_config\.json, in .*tok.*ESP_CHAT_TEMPLATE/,
    );
    const template =
      "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + eos_token + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";
    write('tok/tokenizer_config.json', {
      chat_template: [
        { name: 'tools', template: 'x' },
        { name: 'default', template },
      ],
      eos_token: { content: '</s>' },
    });
    t.is((await prepare('--chat-template', 'tokenizer')).code, 0);
    t.is((await read(folder, 'data')).learned[0], '_1</s>_ Bye\n</s>_');

    t.is((await prepare()).code, 0);
    const { documents, learned } = await read(folder, 'data');
    t.is(documents[0], chatmlOf(0));
    t.is(learned[0], '_1<|im_end|>_ Bye\n<|im_end|>_');
    const meta = JSON.parse(readFileSync(path.join(folder, 'data/meta.json'), 'utf8')) as { tokens: { train: number } };
    t.true(meta.tokens.train < 18 * Buffer.byteLength(chatmlOf(0)) - 18 * 5 * 10);
  },
);

const turn = (role: unknown, content: unknown) => JSON.stringify({ messages: [{ role, content }] });
for (const [what, line, message] of [
  ['no assistant turn', turn('user', 'a'), /has no assistant turn/],
  ['an unknown role', turn('bot', 'a'), /message 1 with the role "bot": give one of system, user, assistant, tool/],
  [
    'content that is not text',
    turn('assistant', [{ type: 'text', text: 'a' }]),
    /message 1 \(assistant\) whose content is not text/,
  ],
  ['broken JSON', '{"messages": [', /is not JSON/],
  ['no messages', '{"text": "a"}', /has no list messages; its fields are text/],
  ['an empty list', '{"messages": []}', /has no messages in its field messages/],
  ['a text', '"a"', /is of type string: each record must be a JSON object, with a list messages/],
] as const) {
  test(`refused with file and line: ${what}`, async (t) => {
    const folder = emptyFolder(t);
    writeFileSync(path.join(folder, 'a.jsonl'), `${jsonl(2)}\n${line}\n`);
    const { code, err } = await espalier(folder, 'prepare', 'a.jsonl', '--chat', '-t', 'bytes', '-o', 'data');
    t.is(code, 2, err);
    t.regex(err, /a\.jsonl: line 4 /);
    t.regex(err, message);
    t.deepEqual(readdirSync(folder), ['a.jsonl']);
  });
}

test('an empty file, a text file, and incompatible options are refused', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'a.jsonl'), jsonl(20));
  writeFileSync(path.join(folder, 'empty.jsonl'), '\n');
  writeFileSync(path.join(folder, 'b.txt'), 'text');
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const { code, err } = await espalier(folder, 'prepare', ...args, '-t', 'bytes', '-o', 'data');
    t.is(code, 2, err);
    t.regex(err, message);
  };
  await refused(/empty\.jsonl has no conversation: remove it.*ESP_PREPARE_CHAT/, 'a.jsonl', 'empty.jsonl', '--chat');
  await refused(/b\.txt looks like text, but --chat reads JSONL of messages/, 'b.txt', '--chat');
  await refused(/--chat-template needs --chat/, 'a.jsonl', '--chat-template', 'chatml');
  await refused(
    /--chat-template no\.jinja: .*no\.jinja cannot be read/,
    'a.jsonl',
    '--chat',
    '--chat-template',
    'no.jinja',
  );
  await refused(/cannot be used with option '--field/, 'a.jsonl', '--chat', '--field', 'x');
});
