import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { textFolder } from '../text.js';
import { assertSameThoughResumed } from './resumed.js';
import { espalier } from './warm.js';

const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
const small = [
  'engine=auto',
  'data={text: text.txt}',
  'model={n_layer: 2, n_head: 2, n_embd: 16, block_size: 16}',
  'train={max_iters: 24, batch_size: 4}',
  'lr.decay_iters=24',
  'plugins.evaluation={interval: 4, iters: 2}',
  'plugins.scaling-schedule.file=grow.yaml',
];
const entry = (name: string, value: string): string =>
  `- { name: ${name}, value: ${value}, trigger_loss: 0, max_wait_iters: 4, reevaluate: false }\n`;

test('a run with every architectural operation gives the same bits when resumed after any of them', async (t) => {
  const folder = textFolder(t);
  const steps: [string, string][] = [
    ['stack_layers', '[0, 1, 1]'],
    ['widen_mlp', '80'],
    ['set_attn_lora_rank', '2'],
    ['set_layer_lora_rank', '[attn.1, 4]'],
    ['merge_lora_weights', 'null'],
    ['set_embedding_lora_rank', '3'],
    ['freeze_layer', 'mlp.0'],
    ['set_embedding_finetune_mode', 'true'],
    ['set_embedding_finetune_mode', 'false'],
    ['unfreeze_layer', 'mlp.0'],
  ];
  writeFileSync(path.join(folder, 'grow.yaml'), steps.map(([name, value]) => entry(name, value)).join(''));
  const check = await espalier(folder, 'schedule', 'check', 'grow.yaml', '-p', 'debug', ...set(...small));
  t.is(check.code, 0, check.err);
  t.regex(check.out, /schedule 1: stack_layers \[0,1,1\] {2}model: 3 layers, MLP 64 wide/);
  t.regex(check.out, /schedule 2: widen_mlp 80 {2}model: 3 layers, MLP 80 wide.*; [\d,]+ parameters/);
  t.regex(
    check.out,
    /at the end of the schedule: {2}model: 3 layers, MLP 80 wide, .*LoRA rank 2 and 4, embedding LoRA rank 3/,
  );

  const { same } = await assertSameThoughResumed(t, folder, 22, [...small, 'train.max_iters=48']);
  t.true(same.includes('state of plugin gpt'), same.join());
  t.is(readFileSync(path.join(folder, 'whole/run.log'), 'utf8').match(/OPERATION_SUCCESS/g)?.length, steps.length);
  const evaluated = await espalier(folder, 'evaluate', 'whole', '--json');
  t.is(evaluated.code, 0, evaluated.err);
  t.true((JSON.parse(evaluated.out) as { 'val/loss': number })['val/loss'] < 4);
  const exported = await espalier(folder, 'checkpoint', 'export', 'whole', '--out', 'hf');
  t.is(exported.code, 0, exported.err);
  t.false(readFileSync(path.join(folder, 'hf/model.safetensors'), 'latin1').includes('lora_'));
});

test('impossible steps are refused by number before anything is created', async (t) => {
  const folder = textFolder(t);
  const refused = async (message: RegExp, ...steps: [string, string][]): Promise<void> => {
    writeFileSync(path.join(folder, 'grow.yaml'), steps.map(([name, value]) => entry(name, value)).join(''));
    const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...set(...small));
    t.is(code, 2, err);
    t.regex(err, message);
  };
  await refused(
    /grow\.yaml:2: operation 2 \(widen_mlp\): the MLP is 80 wide there/,
    ['widen_mlp', '80'],
    ['widen_mlp', '70'],
  );
  await refused(
    /operation 2 \(freeze_layer\): there is no layer "attn\.1" there/,
    ['stack_layers', '[0]'],
    ['freeze_layer', 'attn.1'],
  );
  await refused(/operation 1 \(merge_lora_weights\): no layer has LoRA/, ['merge_lora_weights', 'null']);
  await refused(/operation 1 \(stack_layers\): value/, ['stack_layers', '[]']);
  await refused(/operation 1 \(resize_vocabulary\): the vocabulary cannot grow back at this step: it is not shrunken/, [
    'resize_vocabulary',
    '[null, 0.02]',
  ]);
});

test('shrunken vocabulary: train small, resize, disable the mapping, fine-tune the embeddings', async (t) => {
  const folder = textFolder(t);
  const data = set('data={text: text.txt}', 'engine=auto');
  const built = await espalier(folder, 'vocab', 'build', '--size', '12', '-o', 'map.json', '-p', 'debug', ...data);
  t.is(built.code, 0, built.err);
  writeFileSync(
    path.join(folder, 'grow.yaml'),
    [entry('disable_vocab_remapping', 'null'), entry('resize_vocabulary', '[null, 0.02]')].join(''),
  );
  const run = [
    ...small,
    'plugins.vocab-remap={file: map.json, accuracy_iters: 2}',
    'train.max_iters=60',
    'lr.decay_iters=60',
  ];
  const early = await espalier(folder, 'train', '-p', 'debug', ...set(...run));
  t.is(early.code, 2);
  t.regex(early.err, /operation 1 \(disable_vocab_remapping\).*resize_vocabulary comes first/);

  writeFileSync(
    path.join(folder, 'grow.yaml'),
    [
      'resize_vocabulary [null, 0.02]',
      'disable_vocab_remapping null',
      'set_embedding_finetune_mode true',
      'set_embedding_finetune_mode false',
    ]
      .map((line) => {
        const [name = '', ...value] = line.split(' ');
        return entry(name, value.join(' '));
      })
      .join(''),
  );
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...set(...run, 'run.dir=run'));
  t.is(code, 0, err);
  const metrics = readFileSync(path.join(folder, 'run/metrics.jsonl'), 'utf8').trim().split('\n');
  const lines = metrics.map((line) => JSON.parse(line) as Record<string, number>);
  const losses = lines.flatMap((line) => line['val/loss'] ?? []);
  t.true(losses.every((loss) => Number.isFinite(loss)));
  t.true((losses.at(-1) ?? 9) < (losses[5] ?? 0), losses.join(' '));
  t.true(lines.filter((line) => line['val/core_accuracy'] !== undefined).length >= 10);
  const sample = await espalier(folder, 'sample', 'run', '-n', '60', '--engine', 'cpu');
  t.is(sample.code, 0, sample.err);
  t.false(sample.out.includes('�'), 'every token has its own row again');
  await assertSameThoughResumed(t, folder, 10, run);
});

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
  t.regex(err, /missing, which keep their initial values: transformer\.h\.0\.attn\.c_attn\.lora_A/);
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
