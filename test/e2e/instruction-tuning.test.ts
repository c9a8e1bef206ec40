import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { piped, sharedFolder } from './command.js';
import { text } from '../text.js';
import { espalier } from './warm.js';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const HELD_OUT = 60;
/** Every pair of letters, in an order that has nothing to do with them; the answer is the pair backwards. */
const questions = Array.from(LETTERS, (first) => Array.from(LETTERS, (second) => first + second)).flat();
const shuffled = questions.map((_, index) => questions[(263 * index + 17) % questions.length] ?? '');
const answerTo = (question: string): string => Array.from(question).reverse().join('');

const folder = sharedFolder();
const lines = (records: readonly unknown[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('');
const conversation = (question: string): unknown => ({
  messages: [
    { role: 'user', content: question },
    { role: 'assistant', content: answerTo(question) },
  ],
});
const asked = (question: string): unknown => ({
  prompt: `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`,
  answer: answerTo(question),
});

const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
const machine = ['engine=auto', 'precision=f32'];
const questionsOf = 'plugins.generation={files: {backwards: questions.jsonl}, stop: ["<|im_end|>"], max_tokens: 12}';

async function ran(...args: string[]): Promise<string> {
  const { code, out, err } = await espalier(folder, ...args);
  if (code !== 0) throw new Error(`espalier ${args.join(' ')}: ${err}`);
  return out;
}

/** Share of held-out questions that a run answers with the right two letters, and nothing else. */
async function exactMatch(run: string, ...settings: string[]): Promise<number> {
  const facts = JSON.parse(await ran('evaluate', run, '--only', 'generation', '--json', ...set(...settings))) as {
    readonly 'backwards/exact_match': number;
  };
  return facts['backwards/exact_match'];
}

/** A model of plain text, as a folder of Hugging Face's, and the conversations. */
const prepared = (async (): Promise<void> => {
  const [held, learned] = [shuffled.slice(0, HELD_OUT), shuffled.slice(HELD_OUT)];
  writeFileSync(path.join(folder, 'text.txt'), text);
  writeFileSync(path.join(folder, 'chats.jsonl'), lines(learned.map(conversation)));
  writeFileSync(path.join(folder, 'held-out.jsonl'), lines(held.map(conversation)));
  writeFileSync(path.join(folder, 'questions.jsonl'), lines(held.map(asked)));
  const model = 'model={n_layer: 1, n_head: 4, n_embd: 64, block_size: 64, activation: gelu_tanh}';
  const base = [...machine, 'data={text: text.txt, tokenizer: bytes}', model, 'run.dir=base'];
  await ran('train', '--preset', 'debug', ...set(...base));
  await ran('checkpoint', 'export', 'base', '--to', 'hf', '--out', 'pretrained');
  await ran('prepare', 'chats.jsonl', '--val', 'held-out.jsonl', '--chat', '-t', 'bytes', '-o', 'data/chats');
})();

test.serial('a model of plain text learns to answer questions that it never saw', async (t) => {
  await prepared;
  t.true((await exactMatch('base', questionsOf)) < 0.1);

  const short = 'train={max_iters: 600, batch_size: 8, gradient_accumulation_steps: 1}';
  const settings = [...machine, 'init=pretrained', short, 'optimizer={learning_rate: 5e-3, beta2: 0.95}', questionsOf];
  await ran('train', '--preset', 'sft', ...set(...settings));
  t.true((await exactMatch('runs/sft')) > 0.9);

  const [one = '', two = ''] = shuffled;
  const { code, out, err } = await piped(folder, `${one}\n${two}\n`, 'chat', 'runs/sft', '--temperature', '0');
  t.is(code, 0, err);
  t.is(out, `${answerTo(one)}\n${answerTo(two)}\n`);
  t.regex(err, /the window is full: the oldest turn is dropped/);
});

test.serial('with the preset lora over sft, only LoRA’s weights are trained', async (t) => {
  await prepared;
  const short = 'train={max_iters: 3, batch_size: 2, gradient_accumulation_steps: 1}';
  const settings = [...machine, 'init=pretrained', short, 'run.dir=lora'];
  await ran('train', '--preset', 'sft', '--preset', 'lora', ...set(...settings));
  const optimizer = readFileSync(path.join(folder, 'lora/checkpoints/000003/optimizer.safetensors'), 'latin1');
  t.true(optimizer.includes('c_attn.lora_A.exp_avg'));
  t.false(optimizer.includes('c_fc.weight.exp_avg'));
});

test.serial('the same presets, which name gpt, tune a Llama: its folder says which model it is', async (t) => {
  await prepared;
  const model = 'model={use: llama, n_layer: 1, n_head: 4, n_kv_head: 2, n_embd: 32, block_size: 64}';
  await ran(
    'train',
    '--preset',
    'debug',
    ...set(...machine, 'data={text: text.txt, tokenizer: bytes}', model, 'run.dir=l'),
  );
  await ran('checkpoint', 'export', 'l', '--out', 'llama');
  const short = 'train={max_iters: 3, batch_size: 2, gradient_accumulation_steps: 1}';
  const settings = [...machine, 'init=llama', short, 'run.dir=tuned'];
  const explained = await ran('explain', '--preset', 'sft', '--preset', 'lora', ...set(...settings), 'model');
  t.regex(explained, /model\.use +llama +# llama.config\.json/);
  t.regex(explained, /model\.n_kv_head +2 +# llama.config\.json/);
  t.regex(explained, /model\.attn_lora_rank +8 +# presets.lora\.yaml/);
  await ran('train', '--preset', 'sft', '--preset', 'lora', ...set(...settings));
  const optimizer = readFileSync(path.join(folder, 'tuned/checkpoints/000003/optimizer.safetensors'), 'latin1');
  t.true(optimizer.includes('qkv_proj.lora_A.exp_avg'));
  t.false(optimizer.includes('gate_proj.weight.exp_avg'));
  await ran('train', '--resume', 'tuned', ...set('train.max_iters=4'));
});

test.serial('chat explains what it needs if a run has no chat template, or a message no tokens', async (t) => {
  await prepared;
  const none = await piped(folder, 'ab\n', 'chat', 'base');
  t.is(none.code, 2);
  t.regex(none.err, /not trained on conversations.*--chat-template chatml.*ESP_CHAT_TEMPLATE/);
  const long = await piped(folder, `${'a'.repeat(50)}\n`, 'chat', 'base', '--chat-template', 'chatml');
  t.is(long.code, 2);
  t.regex(long.err, /the message takes \d+ tokens.*ESP_CHAT_WINDOW/);
});
