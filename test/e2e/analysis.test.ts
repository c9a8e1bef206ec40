import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { z } from 'zod';
import { text, textFolder } from '../text.js';
import { espalier } from './warm.js';

const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
const small = set(
  'engine=auto',
  'data={text: text.txt}',
  'model={n_layer: 2, n_head: 2, n_embd: 16, block_size: 16}',
  'plugins.evaluation={interval: 10, iters: 1}',
  'run.dir=run',
);
/** Training takes less than an analysis here, and a machine that has other work to do must not leave the last one out. */
const patient = 'plugins.analysis={interval: 1, max_cost: 1, wait_seconds: 240}';
const line = z.looseObject({ iter: z.int() }).catchall(z.number());
type Line = z.output<typeof line>;

/** What an analysis found, in the order it was published. */
function analyses(folder: string): Line[] {
  const content = readFileSync(path.join(folder, 'run/timings.jsonl'), 'utf8').trim().split('\n');
  return content.map((each) => line.parse(JSON.parse(each))).filter((each) => each['analysis/seconds'] !== undefined);
}

const read = (folder: string, file: string): string => readFileSync(path.join(folder, file), 'utf8');

for (const [use, model] of Object.entries({ gpt: [], llama: set('model={use: llama, n_kv_head: 1, qk_norm: true}') })) {
  test(`${use}: every measure of each snapshot is published, and training is what it was`, async (t) => {
    const folder = textFolder(t);
    const plain = await espalier(folder, 'train', '-p', 'debug', ...small, ...model);
    t.is(plain.code, 0, plain.err);
    const without = read(folder, 'run/metrics.jsonl');
    const { code, err } = await espalier(
      folder,
      'train',
      '-p',
      'debug',
      ...small,
      ...model,
      ...set(patient),
      '--force',
    );
    t.is(code, 0, err);
    t.is(read(folder, 'run/metrics.jsonl'), without);
    t.notRegex(err, /not declared/);
    t.regex(read(folder, 'run/run.log'), /analysis of iteration 20: cosine similarity .*attention entropy/);
    const [first, second, ...more] = analyses(folder);
    t.deepEqual([first?.iter, second?.iter, more.length], [10, 20, 0]);
    for (const found of [first, second]) {
      const of = (name: string): number => found?.[`analysis/${name}`] ?? NaN;
      t.is(found?.['tokens'], (found?.iter ?? 0) * 64);
      t.is(of('embedding/tokens'), 28);
      t.true(of('embedding/cosine_p10') < of('embedding/cosine_p90'));
      t.true(of('embedding/neighbours_p99') >= of('embedding/neighbours_mean'));
      for (const part of ['query', 'key', 'value', 'ffn_up', 'ffn_down']) {
        t.is(of(`rank/${part}`), (of(`rank/${part}/layer_0`) + of(`rank/${part}/layer_1`)) / 2);
        t.true(of(`rank/${part}`) > 0 && of(`rank/${part}`) <= 1);
      }
      t.true(of('attention/entropy/layer_1') > 0 && of('attention/entropy_normalised/layer_1') <= 1);
    }
    t.is(first?.['analysis/drift/embedding'], undefined);
    t.true((second?.['analysis/drift/embedding'] ?? 0) > 0.5);
  });
}

test('only tokens that training has seen often are compared, if that is counted', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'text.txt'), `!${text}`);
  const batches = set('batches={strategy: curriculum, alpha: 0, candidates: 20, round: 3}', patient);
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...small, ...batches);
  t.is(code, 0, err);
  t.deepEqual(
    analyses(folder).map((each) => each['analysis/embedding/tokens']),
    [28, 28],
  );
  const few = await espalier(
    folder,
    'train',
    '-p',
    'debug',
    ...small,
    ...set('plugins.analysis={max_tokens: 5, wait_seconds: 240}'),
    '--force',
  );
  t.is(few.code, 0, few.err);
  t.is(analyses(folder)[0]?.['analysis/embedding/tokens'], 5);
});

test('a growing model with rotary positions and LoRA is analysed; drift is omitted when rows no longer match', async (t) => {
  const folder = textFolder(t);
  const data = set('data={text: text.txt}', 'engine=auto');
  const built = await espalier(folder, 'vocab', 'build', '--size', '12', '-o', 'map.json', '-p', 'debug', ...data);
  t.is(built.code, 0, built.err);
  const operations = [
    ['stack_layers', '[0, 1, 1]'],
    ['set_attn_lora_rank', '2'],
    ['resize_vocabulary', '[null, 0.02]'],
  ].map(
    ([name, value]) =>
      `{name: ${name ?? ''}, value: ${value ?? ''}, trigger_loss: 0, max_wait_iters: 15, reevaluate: true}`,
  );
  const settings = set(
    `plugins.scaling-schedule.operations=[${operations.join(', ')}]`,
    'plugins.vocab-remap={file: map.json, accuracy_iters: 1}',
    'model={rotary: true, embedding_lora_rank: 2}',
    'train.max_iters=60',
    patient,
  );
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...small, ...settings);
  t.is(code, 0, err);
  const found = analyses(folder);
  t.true(found.length >= 2);
  for (const each of found) {
    t.is(each['analysis/rank/query/layer_2'] !== undefined, each.iter >= 20);
    t.is(each['analysis/embedding/tokens'], each.iter < 60 ? 12 : 28);
  }
  t.is(found.at(-1)?.iter, 60);
  t.is(found.at(-1)?.['analysis/drift/embedding'], undefined);
});

test('the first evaluation and every N-th later one are analysed', async (t) => {
  const folder = textFolder(t);
  const some = set('plugins.evaluation.interval=4', 'plugins.analysis={wait_seconds: 240}');
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...small, ...some);
  t.is(code, 0, err);
  t.deepEqual(
    analyses(folder).map(({ iter }) => iter),
    [4, 20],
  );
});

test('an analysis that would exceed max_cost is skipped and logged once; the last one runs at the end', async (t) => {
  const folder = textFolder(t);
  // Evaluations at 4, 16 and 28 are to be analysed.
  const some = set(
    'train.max_iters=28',
    'plugins.evaluation.interval=4',
    'plugins.analysis={interval: 3, max_cost: 1e-5, wait_seconds: 240}',
  );
  // Ever slower iterations until the first is done: the second must not find it at work, on a busy machine either.
  const slow = set('plugins={"./slow.mjs": {}}');
  writeFileSync(
    path.join(folder, 'slow.mjs'),
    `import { On, Plugin } from 'espalier';
export default class Slow {
  done = false;
  look({ values }) { this.done ||= 'analysis/cpu_seconds' in values; }
  async wait({ iteration }) {
    if (iteration >= 4 && !this.done) await new Promise((done) => setTimeout(done, 100 * 2 ** (iteration - 4)));
  }
}
Plugin({ name: 'slow', summary: 'waits' })(Slow);
On('metrics')(Slow.prototype, 'look');
On('iteration:end')(Slow.prototype, 'wait');
`,
  );
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...small, ...some, ...slow);
  t.is(code, 0, err);
  const told =
    /analysis of iteration \d+ was skipped: analyses would take more than 0.001 % of the run’s time \(max_cost\)/g;
  t.is(err.match(told)?.length, 1);
  t.deepEqual(
    analyses(folder).map(({ iter }) => iter),
    [4, 28],
  );
});

test('an analysis is skipped and logged once if memory is short', async (t) => {
  const folder = textFolder(t);
  const { code, err } = await espalier(
    folder,
    'train',
    '-p',
    'debug',
    ...small,
    ...set('plugins.analysis.max_memory=0'),
  );
  t.is(code, 0, err);
  t.is(err.match(/analysis of iteration \d+ was skipped: memory use would reach \d+ %, over 0 %/g)?.length, 1);
  t.deepEqual(analyses(folder), []);
});

/** A plugin in the folder whose model view is made by a module of this text. */
function viewOf(folder: string, module: string): string[] {
  writeFileSync(path.join(folder, 'view.mjs'), module);
  writeFileSync(
    path.join(folder, 'other-view.ts'),
    `import { injectable, InspectableModel, Plugin, type Bindings, type SharedView } from 'espalier';
@injectable()
class Other implements InspectableModel {
  shareView(): SharedView {
    return { module: ${JSON.stringify(pathToFileURL(path.join(folder, 'view.mjs')).href)}, data: null };
  }
}
@Plugin({ name: 'other-view', summary: 'stands in front of the model’s own view', wraps: 'model' })
export default class OtherView {
  static register(bindings: Bindings): void {
    bindings.wrap(InspectableModel, Other);
  }
}
`,
  );
  return set('plugins={"./other-view.ts": {}}');
}

test('a run waits for an analysis no longer than wait_seconds, and skips one while another runs', async (t) => {
  const folder = textFolder(t);
  const endless = [
    ...viewOf(folder, 'await new Promise(() => {});'),
    ...set('plugins.analysis={interval: 1, wait_seconds: 0.1}'),
  ];
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...small, ...endless);
  t.is(code, 0, err);
  t.regex(err, /analysis of iteration 20 was skipped: the analysis of iteration 10 is still running/);
  t.regex(err, /analysis of iteration 10 was dropped: the run ended before it finished/);
  t.deepEqual(analyses(folder), []);
});

test('a worker thread that dies is reported, and the run continues without it', async (t) => {
  const folder = textFolder(t);
  const dying = [...viewOf(folder, 'process.exit(3);'), ...set('plugins.evaluation.interval=2', 'train.max_iters=60')];
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...small, ...dying, ...set(patient));
  t.is(code, 0, err);
  t.regex(err, /plugin analysis failed at .*: analysis of iteration 2: its worker thread died: it ended with code 3/);
  t.regex(err, /failed 3 times and is muted/);
  t.regex(err, /done after 60 iterations/);
});

test('non-finite weights are reported and not measured', async (t) => {
  const folder = textFolder(t);
  const broken = set('optimizer.learning_rate=1e38', 'lr.min_lr=1e38', 'lr.warmup_iters=0', 'plugins.health=false');
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...small, ...broken, ...set(patient));
  t.is(code, 0, err);
  t.regex(err, /analysis of iteration 10: transformer\S+ is not finite/);
  t.deepEqual(analyses(folder), []);
});
