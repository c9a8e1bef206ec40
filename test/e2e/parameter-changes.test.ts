import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { readSafetensors } from '../../plugins/checkpoint/safetensors/read.js';
import { textFolder } from '../text.js';
import { assertSameThoughResumed } from './resumed.js';
import { espalier } from './warm.js';

const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
const small = [
  'engine=auto',
  'data={text: text.txt}',
  'model={n_layer: 2, n_head: 2, n_embd: 16, block_size: 16, bias: true}',
  'plugins.parameter-changes={}',
];

type Line = Record<string, number>;
const changes = (folder: string): Line[] =>
  readFileSync(path.join(folder, 'run/metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((each) => JSON.parse(each) as Line)
    .filter((each) => each['change/all'] !== undefined);

test('the changes match the checkpoints’ weights exactly', async (t) => {
  const folder = textFolder(t);
  const settings = set('plugins.evaluation={interval: 10, iters: 1}', 'run.dir=run', 'plugins.parameter-changes.top=2');
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...set(...small), ...settings);
  t.is(code, 0, err);
  const weights = (iteration: string): ReturnType<typeof readSafetensors> =>
    readSafetensors(path.join(folder, `run/checkpoints/${iteration}/model.safetensors`));
  const [before, now] = [await weights('000010'), await weights('000020')];
  const parts: Record<string, RegExp> = {
    all: /./,
    embedding: /\.w[tp]e\./,
    attention: /\.attn\./,
    mlp: /\.mlp\./,
    norms: /\.ln_/,
  };
  const shares: [string, number][] = [];
  const sums = new Map<string, [number, number]>();
  for (const [name, { values }] of now) {
    const old = before.get(name)?.values ?? [];
    let [difference, size] = [0, 0];
    for (let i = 0; i < values.length; i++) {
      difference += (values[i]! - old[i]!) ** 2;
      size += old[i]! ** 2;
    }
    shares.push([name, Math.sqrt(difference) / Math.sqrt(size)]);
    for (const [part, pattern] of Object.entries(parts)) {
      const [d, s] = sums.get(part) ?? [0, 0];
      if (pattern.test(name)) sums.set(part, [d + difference, s + size]);
    }
  }
  const [first, second, ...more] = changes(folder);
  t.deepEqual([first?.['iter'], second?.['iter'], more.length], [10, 20, 0]);
  const names = Object.keys(second ?? {}).filter((name) => name.startsWith('change/'));
  t.deepEqual(
    names.sort(),
    Object.keys(parts)
      .map((part) => `change/${part}`)
      .sort(),
  );
  for (const [part, [difference, size]] of sums) {
    const expected = Math.sqrt(difference) / Math.sqrt(size);
    const error = Math.abs((second?.[`change/${part}`] ?? NaN) - expected) / expected;
    t.true(error < 1e-12, part);
  }
  // The biases that started at 0 have changed from there by now: no share of theirs is infinite.
  const [most = '', next = ''] = shares.sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const lines = err.split('\n').map((each) => each.trim());
  const at = lines.indexOf('most changed:');
  t.true(lines[at + 1]?.startsWith(most), lines[at + 1]);
  t.true(lines[at + 2]?.startsWith(next), lines[at + 2]);
  t.is(lines[at + 3]?.startsWith('transformer'), false);
  t.is(lines.filter((each) => each.startsWith('parameter changes from')).length, 1);
});

test('a run resumed between two evaluations reports the same bits', async (t) => {
  const folder = textFolder(t);
  const { same } = await assertSameThoughResumed(t, folder, 8, [
    ...small,
    'plugins.evaluation={interval: 3, iters: 1}',
    'plugins.parameter-changes.interval=2',
    'plugins.analysis={}',
  ]);
  for (const part of ['training log', 'state of plugin parameter-changes']) t.true(same.includes(part), same.join());
});

test('changes made by a schedule do not count as changes by training, also after a resume', async (t) => {
  const folder = textFolder(t);
  const steps = [
    ['stack_layers', '[1, 0]'],
    ['set_lr', '0'],
  ].map(
    ([name, value]) =>
      `{name: ${name ?? ''}, value: ${value ?? ''}, trigger_loss: 0, max_wait_iters: 0, reevaluate: false}`,
  );
  const settings = [
    'plugins.evaluation={interval: 3, iters: 1}',
    `plugins.scaling-schedule.operations=[${steps.join(', ')}]`,
    'lr.min_lr=0',
    'train.max_iters=14',
    'plugins.parameter-changes.table=each',
  ];
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...set(...small, ...settings, 'run.dir=run'));
  t.is(code, 0, err);
  const [first, second] = changes(folder);
  t.true((first?.['change/all'] ?? 0) > 0);
  // The blocks have changed places, and nothing is trained any more.
  t.is(second?.['iter'], 6);
  t.is(second?.['change/all'], 0);
  t.is(err.match(/parameter changes from iteration/g)?.length, 5);
  await assertSameThoughResumed(t, folder, 5, [...small, ...settings, 'plugins.parameter-changes.interval=2']);
});

test('the weights it saves in a checkpoint are verified like the rest', async (t) => {
  const folder = textFolder(t);
  const settings = [...set('plugins.evaluation={interval: 5, iters: 1}', 'run.dir=run'), '--stop-after', '3'];
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...set(...small), ...settings);
  t.is(code, 0, err);
  const checkpoint = path.join(folder, 'run/checkpoints/000003');
  t.true(readdirSync(checkpoint).includes('plugins.safetensors'));
  const [before] = await readSafetensors(path.join(checkpoint, 'plugins.safetensors'));
  t.is(before?.[0], 'parameter-changes/transformer.wte.weight');
  const file = path.join(checkpoint, 'plugins.safetensors');
  const bytes = readFileSync(file);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(file, bytes);
  const refused = await espalier(folder, 'checkpoint', 'verify', 'run');
  t.not(refused.code, 0);
  t.regex(refused.out + refused.err, /plugins\.safetensors has changed since it was written/);
});
