import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { textFolder } from '../text.js';
import { espalier } from './warm.js';

const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
const tiny = [
  'engine=auto',
  'model.n_embd=16',
  'model.n_head=2',
  'model.block_size=16',
  'train.batch_size=4',
  'plugins.evaluation={interval: 2, iters: 1}',
];

function losses(folder: string, run: string): number[] {
  return readFileSync(path.join(folder, 'runs', run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => (JSON.parse(line) as Record<string, number>)['val/loss'] ?? []);
}

function operations(folder: string, run: string): number | undefined {
  return readFileSync(path.join(folder, 'runs', run, 'run.log'), 'utf8').match(/OPERATION_SUCCESS/g)?.length;
}

test('growing: small, then deep, then wide', async (t) => {
  const folder = textFolder(t);
  const waits = [0, 1].map(
    (at) =>
      `{name: ${['stack_layers', 'widen_mlp'][at]}, value: ${['[0, 0, 1, 1]', '320'][at]}, trigger_loss: 0, max_wait_iters: 2, reevaluate: true}`,
  );
  const { code, err } = await espalier(
    folder,
    'train',
    '-p',
    'growing',
    ...set(
      ...tiny,
      'data.text=text.txt',
      'train.max_iters=8',
      `plugins.scaling-schedule.operations=[${waits.join(', ')}]`,
    ),
  );
  t.is(code, 0, err);
  t.is(operations(folder, 'growing'), 2);
  t.true(losses(folder, 'growing').every(Number.isFinite));
  const check = await espalier(
    folder,
    'train',
    '-p',
    'growing',
    '--dry-run',
    ...set('engine=auto', 'data.text=text.txt', 'run.name=whole'),
  );
  t.is(check.code, 0, check.err);
});

test('shrunken-vocab: its map is built with the preset itself, then all of its schedule runs', async (t) => {
  const folder = textFolder(t);
  const data = set('data.text=text.txt');
  const built = await espalier(
    folder,
    'vocab',
    'build',
    '-p',
    'shrunken-vocab',
    '--cover',
    '0.9',
    '-o',
    'vocab.json',
    ...data,
  );
  t.is(built.code, 0, built.err);
  const names: [string, string][] = [
    ['resize_vocabulary', '[null, 0.02]'],
    ['disable_vocab_remapping', 'null'],
    ['set_embedding_finetune_mode', 'true'],
    ['set_embedding_finetune_mode', 'false'],
  ];
  const steps = names.map(
    ([name, value]) => `{name: ${name}, value: ${value}, trigger_loss: 0, max_wait_iters: 2, reevaluate: false}`,
  );
  const quick = [
    ...tiny,
    'model.n_layer=1',
    'train.max_iters=12',
    `plugins.scaling-schedule.operations=[${steps.join(', ')}]`,
  ];
  const { code, err } = await espalier(
    folder,
    'train',
    '-p',
    'shrunken-vocab',
    ...data,
    ...set(...quick, 'plugins.vocab-remap={file: vocab.json, accuracy_iters: 1}'),
  );
  t.is(code, 0, err);
  t.is(operations(folder, 'shrunken-vocab'), 4);
  t.true(losses(folder, 'shrunken-vocab').every(Number.isFinite));
});

test('lora-finetune: from a Hugging Face folder, only LoRA’s terms are trained and saved beside what they adapt', async (t) => {
  const folder = textFolder(t);
  const pretrained = fileURLToPath(new URL('../../../test/fixtures/gpt2-tiny', import.meta.url));
  const settings = [
    `init=${pretrained}`,
    'engine=auto',
    'data={text: text.txt, tokenizer: char}',
    'train={max_iters: 4, batch_size: 2, gradient_accumulation_steps: 1}',
    'plugins.evaluation={interval: 2, iters: 1}',
    'model.attn_lora_rank=2',
  ];
  const { code, err } = await espalier(folder, 'train', '-p', 'lora-finetune', ...set(...settings));
  t.is(code, 0, err);
  t.regex(err, /not there, which start anew: transformer\.h\.0\.attn\.c_attn\.lora_A/);
  const inspected = await espalier(folder, 'checkpoint', 'inspect', 'runs/lora-finetune');
  t.is(inspected.code, 0, inspected.err);
  const optimizer = readFileSync(
    path.join(folder, 'runs/lora-finetune/checkpoints/000004/optimizer.safetensors'),
    'latin1',
  );
  t.true(optimizer.includes('c_attn.lora_A.exp_avg'));
  t.false(optimizer.includes('c_proj.weight.exp_avg'));
  const none = await espalier(folder, 'train', '-p', 'lora-finetune', ...set(...settings, 'model.attn_lora_rank=0'));
  t.is(none.code, 2);
  t.regex(none.err, /trained: lora needs a rank/);
});
