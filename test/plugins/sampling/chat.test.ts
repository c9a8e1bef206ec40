import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import test from 'ava';
import type { GenerateOptions } from '../../../core/index.js';
import { Assistant, type AnswerChoices } from '../../../plugins/sampling/chat/assistant.js';
import { talk } from '../../../plugins/sampling/chat/talk.js';
import { chatml, chatTemplate } from '../../../plugins/data/contract.js';
import BytesTokenizerPlugin from '../../../plugins/tokenizers/bytes.js';

const tokenizer = new BytesTokenizerPlugin().forText();
const END_OF_TEXT = 256;
const ENTER = '\r';
const CTRL_C = '\u0003';

/** Answers with `reply`, and records the prompts it receives. */
async function assistantOf(
  reply: (prompt: string, random: number) => string | number[],
  own: Partial<AnswerChoices> & { readonly blockSize?: number } = {},
): Promise<{ assistant: Assistant; prompts: string[] }> {
  const prompts: string[] = [];
  const model = {
    blockSize: own.blockSize ?? 400,
    generate: () => [],
    *generateSteps(prompt: readonly number[], [options]: readonly GenerateOptions[]): Generator<undefined, number[][]> {
      const text = Buffer.from(prompt).toString();
      prompts.push(text);
      const answer = reply(text, options?.random() ?? 0);
      const ids: number[] = [];
      for (const id of typeof answer === 'string' ? Buffer.from(answer) : answer) {
        if (options === undefined || ids.length >= options.maxNewTokens || options.stop?.(ids) === true) break;
        ids.push(id);
        options.onToken?.(id);
        yield;
      }
      return [ids];
    },
  };
  const choices = { temperature: 1, topK: 0, tokens: 100, seed: 1, ...own };
  return { assistant: new Assistant(model, tokenizer, await chatTemplate(chatml), choices), prompts };
}

/** Returns the output for a program that writes these lines. */
async function piped(assistant: Assistant, lines: string): Promise<{ code: number; answers: string; notes: string[] }> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const notes: string[] = [];
  const answers = textOf(output);
  input.end(lines);
  const code = await talk(assistant, { input, output, note: (text) => notes.push(text) });
  output.end();
  return { code, answers: await answers, notes };
}

const turn = (role: string, content: string): string => `<|im_start|>${role}\n${content}<|im_end|>\n`;
const ask = '<|im_start|>assistant\n';

test('each line gets one answer, which ends with its turn, and the whole conversation is the next prompt', async (t) => {
  const { assistant, prompts } = await assistantOf((prompt) => `${String(prompt.length)}!<|im_end|>\nmore`, {
    system: 'Count.',
  });
  const first = turn('system', 'Count.') + turn('user', 'how long?') + ask;
  const answer = `${String(first.length)}!`;
  const second = first + answer + '<|im_end|>\n' + turn('user', 'and now?') + ask;
  const { code, answers, notes } = await piped(assistant, 'how long?\n\nand now?');
  t.is(answers, `${answer}\n${String(second.length)}!\n`);
  t.deepEqual(prompts, [first, second]);
  t.deepEqual([code, notes], [0, []]);
});

test('an answer also ends at an end-of-text token, at a stop text, and after --tokens', async (t) => {
  const endOfText = await assistantOf(() => [65, 66, END_OF_TEXT, 67]);
  t.is((await piped(endOfText.assistant, 'x\n')).answers, 'AB\n');
  const stopped = await assistantOf(() => 'one.two', { stop: ['.'] });
  t.is((await piped(stopped.assistant, 'x\n')).answers, 'one\n');
  const short = await assistantOf(() => 'no end of it', { tokens: 6 });
  t.is((await piped(short.assistant, 'x\n')).answers, 'no end\n');
});

test('/reset forgets the conversation and restarts the random numbers; /exit leaves', async (t) => {
  const { assistant, prompts } = await assistantOf((_, random) => `${String(random)}<|im_end|>`);
  const { code, answers } = await piped(assistant, 'a\nb\n/reset\na\nb\n/exit\nc\n');
  const [a, b, again, then, ...rest] = answers.trimEnd().split('\n');
  t.deepEqual([again, then, rest], [a, b, []]);
  t.not(a, b);
  t.deepEqual(prompts.slice(2), prompts.slice(0, 2));
  t.is(code, 0);
});

test('the oldest turns are dropped when the window is full, and that is reported', async (t) => {
  const { assistant, prompts } = await assistantOf(() => 'yes<|im_end|>', {
    blockSize: 245,
    tokens: 20,
    system: 'S',
  });
  const { answers, notes } = await piped(assistant, 'one\ntwo\nthree\nfour\n');
  t.is(answers, 'yes\n'.repeat(4));
  t.deepEqual(notes, ['the window is full: the oldest turn is dropped']);
  const system = turn('system', 'S');
  const said = (content: string): string => turn('user', content) + turn('assistant', 'yes');
  t.is(prompts[2], system + said('one') + said('two') + turn('user', 'three') + ask);
  t.is(prompts[3], system + said('two') + said('three') + turn('user', 'four') + ask);
  t.true(prompts.every(({ length }) => length <= 225));
});

test('a message longer than the window is an error, or on a terminal a note', async (t) => {
  const long = 'x'.repeat(100);
  const message = /the message takes 150 tokens.*window has 120: write a shorter one/;
  const { assistant } = await assistantOf(() => 'yes<|im_end|>', { blockSize: 120 });
  await t.throwsAsync(piped(assistant, `a\n${long}\nb\n`), { code: 'ESP_CHAT_WINDOW', message });
  const { assistant: other, prompts } = await assistantOf(() => 'yes<|im_end|>', { blockSize: 120 });
  const on = terminal(other);
  on.type(long + ENTER);
  on.type(`b${ENTER}/exit${ENTER}`);
  t.is(await on.code, 0);
  t.regex(on.notes[0] ?? '', message);
  t.deepEqual(prompts, [turn('user', 'b') + ask]);
});

/** A person at a terminal. */
function terminal(assistant: Assistant): {
  type: (keys: string) => void;
  output: PassThrough;
  notes: string[];
  code: Promise<number>;
} {
  const [input, output, screen] = [new PassThrough(), new PassThrough(), new PassThrough()];
  screen.resume();
  const notes: string[] = [];
  const code = talk(assistant, { input, output, terminal: screen, note: (text) => notes.push(text) });
  return { type: (keys) => void input.write(keys), output, notes, code };
}

test('on a terminal Ctrl-C ends the answer, which is remembered, and a second Ctrl-C leaves', async (t) => {
  const endless = (prompt: string): string => (prompt.includes('on and on') ? 'la '.repeat(1e4) : 'ok<|im_end|>');
  const { assistant, prompts } = await assistantOf(endless, { tokens: 1e5, blockSize: 1e5 });
  const on = terminal(assistant);
  let shown = '';
  on.output.on('data', (piece: Buffer) => (shown += piece.toString()));
  on.type(`on and on${ENTER}`);
  await once(on.output, 'data');
  on.type(CTRL_C);
  while (!shown.endsWith('\n')) await once(on.output, 'data');
  t.true(shown.length < 3e4);
  on.type(`again, on and on${ENTER}`);
  await once(on.output, 'data');
  t.is(
    prompts[1],
    `${prompts[0] ?? ''}${shown.slice(0, shown.indexOf('\n'))}<|im_end|>\n${turn('user', 'again, on and on')}${ask}`,
  );
  on.type(CTRL_C + CTRL_C);
  t.is(await on.code, 130);
});
