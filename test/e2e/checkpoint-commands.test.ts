import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { readSafetensors } from '../../plugins/checkpoint/safetensors/read.js';
import Gpt2TokenizerPlugin from '../../plugins/tokenizers/gpt2/index.js';
import { readGguf } from '../plugins/models/gguf/read.js';
import { logitsOf } from '../plugins/models/logits.js';
import { textFolder } from '../text.js';
import { trainFrom } from './from-weights.js';
import { espalier } from './warm.js';
import { needing, peersPython, python } from '../needs.js';

async function trained(t: ExecutionContext, ...more: string[]): Promise<string> {
  const folder = textFolder(t);
  const settings = [
    'engine=auto',
    'precision=f32',
    'data.text=text.txt',
    'train.max_iters=4',
    'run.name=run',
    'plugins.checkpoint={interval: 1, keep: {last: 9}}',
    ...more,
  ];
  const { code, err } = await espalier(
    folder,
    'train',
    '--preset',
    'debug',
    ...settings.flatMap((each) => ['--set', each]),
  );
  t.is(code, 0, err);
  return folder;
}

test('a path next to a run suggests the run; an export that cannot be written says what to do', async (t) => {
  const folder = await trained(t);
  for (const near of ['runs', 'runs/run/checkpoints', 'runs/run/config.yaml', 'runs/run/checkpoints/000009']) {
    const { code, err } = await espalier(folder, 'sample', near);
    t.is(code, 2, err);
    t.regex(err, /(?:has no checkpoint|does not exist); did you mean the run runs\/run\?/);
  }
  const listed = await espalier(folder, 'checkpoint', 'list', 'runs');
  t.regex(listed.err, /^espalier: runs has no checkpoint; did you mean the run runs\/run\? \[/);
  for (const out of ['text.txt/hf', '/proc/espalier/hf']) {
    const { code, err } = await espalier(folder, 'checkpoint', 'export', 'runs/run', '--to', 'hf', '--out', out);
    t.is(code, 2, err);
    t.regex(err, /hf cannot be written: .*; choose another folder with --out \[ESP_CHECKPOINT_EXPORT\]/);
  }
});

test('checkpoint list, inspect, verify and prune work', async (t) => {
  const folder = await trained(t);
  const checkpoints = path.join(folder, 'runs/run/checkpoints');
  const listed = JSON.parse((await espalier(folder, 'checkpoint', 'list', '--json')).out) as {
    name: string;
    val_loss: number | null;
    is: string[];
  }[];
  t.deepEqual(
    listed.map(({ name }) => name),
    ['000004', '000003', '000002', '000001'],
  );
  t.true(listed[0]?.is.includes('latest'));
  const best = listed.find(({ is }) => is.includes('best'));
  t.is(best?.val_loss, Math.min(...listed.map(({ val_loss: loss }) => loss ?? Infinity)));
  const evaluated = await espalier(folder, 'evaluate', '--best', '--iters', '1', '--json');
  t.is((JSON.parse(evaluated.out) as { checkpoint: string }).checkpoint, path.join(checkpoints, best?.name ?? ''));

  const inspected = await espalier(folder, 'checkpoint', 'inspect', 'runs/run/checkpoints/000002');
  t.regex(inspected.out, /iteration 2, .*transformer\.wte\.weight {2}F32 \[\d+, 32\]/s);

  t.is((await espalier(folder, 'checkpoint', 'verify')).code, 0);
  truncateSync(path.join(checkpoints, '000003/model.safetensors'), 77);
  const verified = await espalier(folder, 'checkpoint', 'verify');
  t.is(verified.code, 1);
  t.regex(verified.out, /damaged {2}.*000003.*77 bytes/);
  t.is((await espalier(folder, 'checkpoint', 'list')).code, 0);

  const dry = await espalier(folder, 'checkpoint', 'prune', '--last', '1', '--dry-run');
  t.regex(dry.out, /would delete 000003, 000002, 000001/);
  t.is((await espalier(folder, 'checkpoint', 'prune', '--last', '1', '--every', '2')).code, 0);
  t.deepEqual(
    readdirSync(checkpoints)
      .filter((name) => /^\d/.test(name))
      .sort(),
    ['000002', '000004'],
  );

  const missing = await espalier(folder, 'checkpoint', 'list', 'nowhere');
  t.is(missing.code, 2);
  t.regex(missing.err, /ESP_CHECKPOINT_NOT_FOUND/);
});

test('exports to nanoGPT transpose matrices, exports to Hugging Face have every bias; nothing is replaced without --force', async (t) => {
  const folder = await trained(t);
  const exported = (to: string, ...more: string[]) =>
    espalier(folder, 'checkpoint', 'export', '--to', to, '--out', to, ...more);
  t.is((await exported('hf')).code, 0);
  t.is((await exported('nanogpt-safetensors')).code, 0);
  t.regex((await exported('hf')).err, /already exists.*ESP_CHECKPOINT_EXPORT/);
  t.is((await exported('hf', '--force')).code, 0);
  const hf = await readSafetensors(path.join(folder, 'hf/model.safetensors'));
  const nano = await readSafetensors(path.join(folder, 'nanogpt-safetensors/model.safetensors'));
  const name = 'transformer.h.1.mlp.c_fc.weight';
  t.deepEqual(hf.get(name)?.shape, [32, 128]);
  t.deepEqual(nano.get(name)?.shape, [128, 32]);
  t.is(hf.get(name)?.values[5], nano.get(name)?.values[5 * 32]);
  t.deepEqual(hf.get('transformer.ln_f.bias')?.shape, [32]);
});

test('an export for transformers has the tokenizer, or says that transformers has none like it', async (t) => {
  const characters = await espalier(await trained(t), 'checkpoint', 'export', '--out', 'hf');
  t.is(characters.code, 0);
  t.regex(characters.err, /no tokenizer files: Hugging Face transformers cannot use the tokenizer char/);

  const folder = await trained(t, 'data.tokenizer=gpt2');
  const exported = (...more: string[]) => espalier(folder, 'checkpoint', 'export', '--out', 'hf', ...more);
  t.is((await exported()).code, 0);
  t.deepEqual(readdirSync(path.join(folder, 'hf')).sort(), [
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  t.is((await exported('--force')).code, 0);
  const data = 'data={text: text.txt, tokenizer: {use: hf, file: hf/tokenizer.json}}';
  const { code, err } = await trainFrom(folder, 'hf', data, 'run.name=again');
  t.is(code, 0, err);
  t.deepEqual(await logitsOf(t, folder, 'runs/again'), await logitsOf(t, folder, 'runs/run'));
});

test('a GGUF file has the model and its tokenizer; what llama.cpp does not have is refused, with what to do', async (t) => {
  const folder = await trained(t, 'data.tokenizer=gpt2', 'model.activation=gelu_tanh');
  const exported = (...more: string[]) => espalier(folder, 'checkpoint', 'export', '--to', 'gguf', '--out', ...more);
  const { code, out, err } = await exported('book.gguf');
  t.is(code, 0, err);
  t.regex(out, /000004 → book\.gguf \(gguf\)/);
  const { metadata, tensors } = readGguf(path.join(folder, 'book.gguf'));
  t.deepEqual(
    ['general.name', 'gpt2.embedding_length', 'tokenizer.ggml.pre'].map((key) => metadata.get(key)?.value),
    ['run', 32, 'gpt-2'],
  );
  t.deepEqual(tensors.get('blk.1.ffn_up.weight')?.shape, [128, 32]);
  t.true(tensors.get('blk.1.ffn_up.bias')?.bytes.every((byte) => byte === 0));

  t.regex((await exported('book.gguf')).err, /already exists: choose another file.*ESP_CHECKPOINT_EXPORT/);
  t.is((await exported('book.gguf', '--force', '--dtype', 'f32')).code, 0);
  t.is(readGguf(path.join(folder, 'book.gguf')).tensors.get('token_embd.weight')?.type, 0);
  t.regex((await exported('runs')).err, /runs is a folder.*--out runs.model\.gguf \[ESP_CHECKPOINT_EXPORT\]/);
  const other = await espalier(folder, 'checkpoint', 'export', '--dtype', 'f32', '--out', 'hf');
  t.regex(other.err, /--dtype is for --to gguf: leave it out/);
});

test('GGUF export of a character model, or of exact GELU, is refused before writing', async (t) => {
  const refused = async (what: RegExp, ...settings: string[]): Promise<void> => {
    const folder = await trained(t, ...settings);
    const { code, err } = await espalier(folder, 'checkpoint', 'export', '--to', 'gguf', '--out', 'book.gguf');
    t.is(code, 2);
    t.regex(err, what);
    t.deepEqual(readdirSync(folder).sort(), ['runs', 'text.txt']);
  };
  await refused(/cannot use the tokenizer char: train again with data\.tokenizer: gpt2.*ESP_CHECKPOINT_GGUF/);
  await refused(/exact GELU: train with model\.activation: gelu_tanh.*ESP_CHECKPOINT_GGUF/, 'data.tokenizer=gpt2');
  await refused(/rotary positions.*ESP_CHECKPOINT_EXPORT/, 'data.tokenizer=gpt2', 'model.rotary=true');
});

needing(python('torch', 'transformers'))(
  'Hugging Face transformers loads what is exported, with the same logits',
  async (t) => {
    const folder = await trained(t);
    t.is((await espalier(folder, 'checkpoint', 'export', '--out', 'hf')).code, 0);
    execFileSync(peersPython, ['-c', REFERENCE, path.join(folder, 'hf'), path.join(folder, 'logits.json')], {
      stdio: 'pipe',
    });
    const expected = JSON.parse(readFileSync(path.join(folder, 'logits.json'), 'utf8')) as number[];
    const actual = await logitsOf(t, folder, 'runs/run');
    t.is(actual.length, expected.length);
    t.true(actual.every((value, index) => Math.abs(value - (expected[index] ?? NaN)) < 1e-4));
    t.true(existsSync(path.join(folder, 'hf/config.json')));
  },
);

needing(python('torch', 'transformers'))(
  'Hugging Face transformers has the tokens and the conversations of an exported tokenizer',
  async (t) => {
    const folder = textFolder(t);
    const messages = [
      { role: 'user', content: 'Two things?' },
      { role: 'assistant', content: 'No: three.' },
    ];
    writeFileSync(path.join(folder, 'chats.jsonl'), `${JSON.stringify({ messages })}\n`.repeat(20));
    const prepared = await espalier(folder, 'prepare', 'chats.jsonl', '--chat', '-t', 'gpt2', '-o', 'data');
    t.is(prepared.code, 0, prepared.err);
    const settings = ['engine=auto', 'precision=f32', 'data.dir=data', 'train.max_iters=1'];
    const options = settings.flatMap((each) => ['--set', each]);
    const { code, err } = await espalier(folder, 'train', '--preset', 'debug', ...options);
    t.is(code, 0, err);
    t.is((await espalier(folder, 'checkpoint', 'export', '--out', 'hf')).code, 0);
    const written = execFileSync(peersPython, ['-c', TOKENIZE, path.join(folder, 'hf'), JSON.stringify(messages)]);
    const { text, ids, end } = JSON.parse(written.toString()) as { text: string; ids: number[]; end: string };
    t.is(text, renderedChat(messages));
    t.is(end, '<|endoftext|>');
    t.deepEqual(ids, Array.from(await new Gpt2TokenizerPlugin().forText().encode(text)));
  },
);

/** The text of a conversation, and its tokens. */
const TOKENIZE = `
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
text = tokenizer.apply_chat_template(json.loads(sys.argv[2]), tokenize=False)
print(json.dumps({"text": text, "ids": tokenizer(text).input_ids, "end": tokenizer.eos_token}))
`;

/** ChatML. */
function renderedChat(messages: readonly { role: string; content: string }[]): string {
  return messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('');
}

/** Logits of the tokens 0 to 15, by transformers in PyTorch; any weight that it had to make up is an error. */
const REFERENCE = `
import json, sys, torch
from transformers import GPT2LMHeadModel
model, info = GPT2LMHeadModel.from_pretrained(sys.argv[1], output_loading_info=True)
assert not info["unexpected_keys"] and set(info["missing_keys"]) <= {"lm_head.weight"}, info
with torch.no_grad():
    logits = model.eval()(torch.arange(16)[None]).logits
json.dump(logits.flatten().tolist(), open(sys.argv[2], "w"))
`;

test('--weights samples, evaluates and exports the averages of ema', async (t) => {
  const folder = await trained(t, 'plugins.ema={decay: 0.5}');
  const evaluate = async (...more: string[]): Promise<number> => {
    const { code, out, err } = await espalier(folder, 'evaluate', 'runs/run', '--json', ...more);
    t.is(code, 0, err);
    return (JSON.parse(out) as { 'val/loss': number })['val/loss'];
  };
  t.not(await evaluate('--weights', 'ema'), await evaluate());
  t.is((await espalier(folder, 'sample', 'runs/run', '--weights', 'ema', '-n', '5')).code, 0);

  const kept = await readSafetensors(path.join(folder, 'runs/run/checkpoints/000004/plugins.safetensors'));
  const { code, err } = await espalier(folder, 'checkpoint', 'export', 'runs/run', '--weights', 'ema', '-o', 'hf');
  t.is(code, 0, err);
  const exported = await readSafetensors(path.join(folder, 'hf/model.safetensors'));
  t.deepEqual(exported.get('transformer.wte.weight')?.values, kept.get('ema/transformer.wte.weight')?.values);

  const other = await espalier(folder, 'sample', 'runs/run', '--weights', 'evaluation');
  t.is(other.code, 2);
  t.regex(other.err, /000004 has no weights of plugin "evaluation"; it has weights of ema \[ESP_CHECKPOINT_WEIGHTS\]/);
});
