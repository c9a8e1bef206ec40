import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { lifecycle } from '../../core/events/lifecycle.js';
import { emptyFolder, espalier as espalierAlone } from './command.js';
import { espalier } from './warm.js';

const debug = ['--preset', 'debug', '--set', 'engine=auto', '--set', 'precision=f32'];

test('train, sample, evaluate and resume, as a user does', async (t) => {
  const folder = emptyFolder(t);
  const trained = await espalierAlone(folder, 'train', ...debug, '--set', 'run.dir=out');
  t.is(trained.code, 0, trained.err);
  t.true(existsSync(path.join(folder, 'out/config.yaml')));
  t.true(existsSync(path.join(folder, 'out/run.log')));
  const lines = readFileSync(path.join(folder, 'out/metrics.jsonl'), 'utf8').trim().split('\n');
  t.true(lines.every((line) => typeof JSON.parse(line) === 'object'));

  const sample = await espalierAlone(folder, 'sample', 'out', '--prompt', 'Call me', '--tokens', '20');
  t.is(sample.code, 0, sample.err);
  t.true(sample.out.startsWith('Call me'));
  writeFileSync(path.join(folder, 'prompt.txt'), 'Call me');
  t.is(sample.out, (await espalier(folder, 'sample', 'out', '--prompt-file', 'prompt.txt', '--tokens', '20')).out);
  const several = ['sample', 'out', '--count', '3', '--tokens', '40', '--top-p', '0.9', '--json'];
  const texts = JSON.parse((await espalier(folder, ...several)).out) as string[];
  const stop = texts[1]?.slice(20, 22) ?? '';
  const stopped = JSON.parse((await espalier(folder, ...several, '--stop', stop, '--stop', '\u0000')).out) as string[];
  const cut = texts.map((text) => text.slice(0, 1) + (text.slice(1).split(stop)[0] ?? ''));
  t.deepEqual(stopped, cut);
  t.notDeepEqual(cut, texts);
  const refused = await espalier(folder, 'sample', 'out', '--engine', 'cpu', '--precision', 'bf16');
  t.is(refused.code, 2);
  t.regex(refused.err, /precision bf16: engine cpu computes in f32.*ESP_ENGINE_PRECISION/);

  const evaluated = await espalierAlone(folder, 'evaluate', 'out', '--iters', '2', '--json');
  t.is(evaluated.code, 0, evaluated.err);
  const facts: unknown = JSON.parse(evaluated.out);
  t.true(typeof facts === 'object' && facts !== null && 'val/loss' in facts && Number(facts['val/loss']) < 5);

  const again = await espalier(folder, 'train', ...debug, '--set', 'run.dir=out');
  t.is(again.code, 2);
  t.regex(again.err, /--resume/);
  const resumed = await espalier(
    folder,
    'train',
    ...debug,
    '--set',
    'run.dir=out',
    '--resume',
    '--set',
    'train.max_iters=24',
  );
  t.is(resumed.code, 0, resumed.err);
  t.regex(resumed.out + resumed.err, /iteration 20/);
});

test('a plugin in one TypeScript file outside the repo binds its own batch strategy and listens', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(
    path.join(folder, 'first-window.ts'),
    `import { BatchSource, Dataset, Logger, On, Plugin, PluginConfig, inject,
  type Batch, type BatchShape, type Bindings, type IterationEnd, type Split } from 'espalier';
import { z } from 'zod';

@Plugin({ name: 'first-window', summary: 'serves one window again and again', slot: 'batches', config: z.strictObject({ at: z.int().default(0) }) })
export default class FirstWindow implements BatchSource {
  static register(bindings: Bindings) { bindings.bind(BatchSource, FirstWindow); }
  constructor(@inject(PluginConfig) private readonly config: { at: number }, @inject(Dataset) private readonly data: Dataset,
              @inject(Logger) private readonly log: Logger) {}

  @On('iteration:end')
  tell({ iteration, loss }: IterationEnd) { this.log.info(\`mine \${iteration} \${loss < 10}\`); }

  next({ batchSize, blockSize }: BatchShape): Batch { return this.evaluation('train', 0, { batchSize, blockSize }); }
  evaluation(split: Split, _index: number, { batchSize, blockSize }: BatchShape): Batch {
    const inputs = new Int32Array(batchSize * blockSize), targets = new Int32Array(batchSize * blockSize);
    for (let row = 0; row < batchSize; row++) {
      this.data.split(split).read(this.config.at, blockSize, inputs, row * blockSize);
      this.data.split(split).read(this.config.at + 1, blockSize, targets, row * blockSize);
    }
    return { inputs, targets, batchSize, blockSize };
  }
  progress() { return { shard: 0, position: this.config.at }; }
  state() { return {}; }
  restore() {}
}
`,
  );
  writeFileSync(
    path.join(folder, 'espalier.config.yaml'),
    'extends: [debug]\nengine: auto\nprecision: f32\nbatches: { strategy: ./first-window.ts, at: 5 }\ntrain: { max_iters: 3 }\n',
  );
  const { code, out, err } = await espalier(folder, 'train');
  t.is(code, 0, err);
  t.regex(out + err, /mine 2 true/);
  const told = await espalier(folder, 'plugins', './first-window.ts');
  const file = path.join(folder, 'first-window.ts');
  const line = `first-window (batches): serves one window again and again (from ${file})`;
  t.is(told.out, `${line}\n    at: integer = 0  \n`, told.err);
});

test('a model of a single-line text generates text', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'line.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(50));
  const settings = ['data.text=line.txt', 'train.max_iters=3', 'run.dir=out'].flatMap((setting) => ['--set', setting]);
  const { code, out, err } = await espalier(folder, 'train', ...debug, ...settings, '--sample', '--quiet');
  t.is(code, 0, err);
  t.is(err, '');
  t.is(out.trimEnd().length, 301);
  const sample = await espalier(folder, 'sample', 'out', '--tokens', '20');
  t.is(sample.code, 0, sample.err);
  t.is(sample.out.length, 1 + 20 + 1);
});

test('--force starts over: no checkpoint of the run before is left, and none is deleted by a run that does not start', async (t) => {
  const folder = emptyFolder(t);
  const train = (...rest: string[]): ReturnType<typeof espalier> =>
    espalier(folder, 'train', ...debug, '--set', 'run.dir=out', '--quiet', ...rest);
  const first = await train('--set', 'train.max_iters=3');
  t.is(first.code, 0, first.err);
  const old = readFileSync(path.join(folder, 'out/checkpoints/000003/model.safetensors'));
  const second = await train('--force', '--set', 'train.max_iters=3', '--set', 'seed=2');
  t.is(second.code, 0, second.err);
  t.false(readFileSync(path.join(folder, 'out/checkpoints/000003/model.safetensors')).equals(old));
  const init = ['--set', 'init=out/checkpoints/000003'];
  for (const refused of [await train(...init), await train(...init, '--dry-run')]) {
    t.is(refused.code, 2);
    t.regex(refused.err, /already has checkpoints: .*--force.*\[ESP_RUN_FOLDER_USED\]/);
  }
  writeFileSync(
    path.join(folder, 'late.ts'),
    `import { On, Plugin } from 'espalier';
@Plugin({ name: 'late', summary: 'fails while the run starts' })
export default class Late { @On('run:start') start() { throw new Error('no prompts'); } }
`,
  );
  const failed = await train('--force', '--set', 'plugins."./late.ts"=true');
  t.is(failed.code, 1, failed.err);
  t.regex(
    failed.err,
    /checkpoint 000003 is the last in out; resume from it with `(npx )?espalier train --resume out`\n$/,
  );
  const third = await train('--force', '--set', 'train.max_iters=2');
  t.is(third.code, 0, third.err);
  t.deepEqual(readdirSync(path.join(folder, 'out/checkpoints')).sort(), ['000002', 'best', 'latest']);
});

test('--dry-run tells everything and creates nothing', async (t) => {
  const folder = emptyFolder(t);
  const { code, out, err } = await espalier(folder, 'train', ...debug, '--dry-run');
  t.is(code, 0, err);
  for (const expected of [
    /model\.n_embd +32 +# presets\/debug\.yaml:\d/,
    /engine.*# --set/,
    /iteration:end +.*→/,
    /total +[\d,]+/,
    /checkpoints .*free/,
    /memory/,
  ]) {
    t.regex(out, expected);
  }
  t.deepEqual(readdirSync(folder), []);
  const refused = await espalier(folder, 'train', ...debug, '--set', 'init=runs/nope', '--dry-run');
  t.is(refused.code, 2, refused.err);
  t.regex(refused.err, /--set: key init: runs\/nope does not exist.*\[ESP_CHECKPOINT_NOT_FOUND\]/);
});

/** As configs and checkpoints have them: they stay. */
const pluginNames = [
  'adamw',
  'lion',
  'muon',
  'sgd',
  'analysis',
  'label-smoothing',
  'z-loss',
  'batch-digest',
  'batches-curriculum',
  'batches-documents',
  'batches-epoch',
  'batches-importance',
  'batches-mixture',
  'batches-random',
  'batches-sequential',
  'bits-per-byte',
  'bytes-tokenizer',
  'char-tokenizer',
  'checkpoint',
  'csv',
  'dashboard',
  'data-parallel',
  'determinism-check',
  'distillation',
  'early-stopping',
  'ema',
  'engine-cpu',
  'engine-native',
  'engine-tensorflow',
  'engine-wasm',
  'engine-xla',
  'evaluation',
  'generation',
  'gpt',
  'gpt2-tokenizer',
  'health',
  'hf-tokenizer',
  'histograms',
  'llama',
  'lr-constant',
  'lr-inverse-sqrt',
  'lr-linear',
  'lr-wsd',
  'multiple-choice',
  'parameter-changes',
  'perplexity',
  'profiler',
  'progress',
  'remapped-tokenizer',
  'report',
  'run-log',
  'samples',
  'scaling-schedule',
  'signals',
  'system-metrics',
  'tensorboard',
  'token-shards',
  'trace',
  'training-metrics',
  'vocab-remap',
  'wandb',
  'warmup-cosine',
];

const named = z.array(z.object({ name: z.string() })).transform((rows) => rows.map(({ name }) => name));
const listings = {
  presets: {
    args: ['presets'],
    schema: named,
    known: () =>
      readdirSync('presets').flatMap((file) => (file.endsWith('.yaml') ? [path.basename(file, '.yaml')] : [])),
    line: (name: string) => new RegExp(`^${name} +\\S`, 'm'),
  },
  plugins: {
    args: ['plugins'],
    schema: named,
    known: () => pluginNames,
    line: (name: string) => new RegExp(`^${name} \\(.*\\S`, 'm'),
  },
  events: {
    args: ['events'],
    schema: z.record(z.string(), z.object({ when: z.string() })).transform((events) => Object.keys(events)),
    known: () => [...Object.keys(lifecycle), 'histogram', 'operation', 'sample'],
    line: (name: string) => new RegExp(`^${name}: \\S`, 'm'),
  },
  doctor: {
    args: ['doctor'],
    schema: z
      .object({
        node: z.literal(process.version),
        engines: z.array(z.object({ engine: z.string(), works: z.boolean() })),
      })
      .transform(({ engines }) => engines.map(({ engine }) => engine)),
    known: () => ['cpu', 'native', 'tensorflow', 'wasm', 'xla'],
    line: (name: string) => new RegExp(`^ +(works|no) +${name} +\\S`, 'm'),
  },
};
for (const [what, { args, schema, known, line }] of Object.entries(listings)) {
  test(`${what} lists each by name, as text and as JSON`, async (t) => {
    const folder = emptyFolder(t);
    const [text, json] = [await espalierAlone(folder, ...args), await espalier(folder, ...args, '--json')];
    t.deepEqual([text.code, json.code], [0, 0], text.err + json.err);
    const names = schema.parse(JSON.parse(json.out));
    t.deepEqual(names.toSorted(), known().toSorted());
    for (const name of names) t.regex(text.out, line(name));
  });
}

test('explain prints every key with value and origin, as text and as JSON', async (t) => {
  const folder = emptyFolder(t);
  const args = ['explain', '--preset', 'debug', '--set', 'seed=7'];
  const [text, json] = [await espalierAlone(folder, ...args), await espalier(folder, ...args, '--json')];
  t.deepEqual([text.code, json.code], [0, 0], text.err + json.err);
  const row = z.strictObject({ path: z.string(), value: z.json(), origin: z.string() });
  const rows = z.array(row).parse(JSON.parse(json.out));
  const keys = new Map(rows.map((each) => [each.path, each]));
  t.is(keys.size, rows.length);
  t.like(keys.get('seed'), { value: 7, origin: '--set' });
  t.like(keys.get('precision'), { value: 'auto', origin: 'default' });
  t.regex(keys.get('model.n_layer')?.origin ?? '', /debug\.yaml:\d+$/);
  for (const { path: key, origin } of rows) t.true(text.out.includes(key) && text.out.includes(origin), key);
  t.regex(text.out, /^seed +7 +# --set$/m);
});

test('a plugin that throws fails the run with exit code 1, plugin and event, and how to resume', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(
    path.join(folder, 'bomb.ts'),
    `import { On, Plugin } from 'espalier';
@Plugin({ name: 'bomb', summary: 'goes off' })
export default class Bomb { @On('iteration:start') tick({ iteration }: { iteration: number }) { if (iteration === 3) throw new Error('boom'); } }
`,
  );
  const set = ['--set', 'plugins."./bomb.ts"=true', '--set', 'plugins.checkpoint.interval=2'];
  const { code, err } = await espalier(folder, 'train', ...debug, ...set);
  t.is(code, 1);
  t.regex(err, /plugin bomb failed at iteration:start: boom/);
  t.regex(
    err,
    /\ncheckpoint 000002 is the last in runs\/debug; resume from it with `(npx )?espalier train --resume runs\/debug`\n$/,
  );
});

test('SIGTERM ends the run after the iteration, with a checkpoint and exit code 143', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(
    path.join(folder, 'kill.ts'),
    `import { On, Plugin } from 'espalier';
@Plugin({ name: 'kill', summary: 'sends a signal' })
export default class Kill { @On('iteration:start') tick({ iteration }: { iteration: number }) { if (iteration === 3) process.kill(process.pid, 'SIGTERM'); } }
`,
  );
  const { code, err } = await espalierAlone(
    folder,
    'train',
    ...debug,
    '--set',
    'plugins."./kill.ts"=true',
    '--set',
    'run.dir=out',
  );
  t.is(code, 143, err);
  t.true(readdirSync(path.join(folder, 'out/checkpoints')).some((name) => name.endsWith('-emergency')));
});

test('commands that read a run use the newest one if none is named', async (t) => {
  const folder = emptyFolder(t);
  const none = await espalier(folder, 'sample');
  t.is(none.code, 2);
  t.regex(none.err, /no run in .*runs has a checkpoint: give the folder of a run, or train one/);
  for (const [name, seed] of [
    ['first', '1'],
    ['second', '2'],
  ] as const) {
    const settings = ['--set', `run.name=${name}`, '--set', `seed=${seed}`, '--set', 'train.max_iters=2'];
    const { code, err } = await espalier(folder, 'train', ...debug, ...settings);
    t.is(code, 0, err);
  }
  const named = await espalier(folder, 'sample', 'runs/second', '--tokens', '20');
  const newest = await espalier(folder, 'sample', '--tokens', '20');
  t.is(newest.out, named.out);
  t.regex(newest.err, /run: runs\/second/);
  const listed = await espalierAlone(folder, 'checkpoint', 'list');
  t.is(listed.code, 0, listed.err);
  t.regex(listed.out, /^000002/);
});
