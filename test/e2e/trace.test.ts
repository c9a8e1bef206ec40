import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { textFolder } from '../text.js';
import { started } from './command.js';
import { espalier } from './warm.js';

const eventSchema = z.object({
  name: z.string(),
  ph: z.enum(['X', 'M', 'b', 'e']),
  cat: z.string().optional(),
  ts: z.number().optional(),
  dur: z.number().optional(),
  pid: z.int(),
  tid: z.int(),
  args: z.record(z.string(), z.string()).optional(),
});
const traceSchema = z.object({ traceEvents: z.array(eventSchema) });

/** A span, in whole nanoseconds. */
interface Span {
  readonly name: string;
  readonly cat: string;
  readonly tid: number;
  readonly from: number;
  readonly to: number;
  readonly args: Readonly<Record<string, string>>;
}

const settings = [
  'data.text=text.txt',
  'model={n_layer: 2, n_head: 2, n_embd: 16, block_size: 16}',
  'train={max_iters: 9, batch_size: 2, gradient_accumulation_steps: 2}',
  'plugins={evaluation: {interval: 3, iters: 1}, training-metrics: {interval: 1}}',
].flatMap((setting) => ['--set', setting]);

function spansIn(file: string): { spans: Span[]; threads: Map<number, string> } {
  const { traceEvents } = traceSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  const spans = traceEvents.flatMap(({ name, cat = '', ph, ts = NaN, dur = NaN, tid, args = {} }) => {
    if (ph !== 'X') return [];
    const from = Math.round(ts * 1000);
    return [{ name, cat, tid, from, to: from + Math.round(dur * 1000), args }];
  });
  const named = traceEvents.filter(({ name }) => name === 'thread_name');
  return { spans, threads: new Map(named.map(({ tid, args }) => [tid, args?.['name'] ?? ''])) };
}

/** Of a track, spans lie within each other or apart. Gives the spans around each. */
function nesting(t: ExecutionContext, spans: readonly Span[]): Map<Span, Span[]> {
  const around = new Map<Span, Span[]>();
  for (const tid of new Set(spans.map((span) => span.tid))) {
    const open: Span[] = [];
    const track = spans.filter((span) => span.tid === tid);
    // Written at its end: of two that begin and end together the later one is around the other.
    for (const span of track.toReversed().sort((a, b) => a.from - b.from || b.to - a.to)) {
      while (open.length > 0 && open.at(-1)!.to <= span.from && open.at(-1)!.to < span.to) open.pop();
      const parent = open.at(-1);
      t.true(parent === undefined || parent.to >= span.to, `${span.name} ends after ${parent?.name ?? ''}`);
      around.set(span, [...open]);
      open.push(span);
    }
  }
  return around;
}

function names(spans: readonly Span[], cat: string): string[] {
  return [...new Set(spans.filter((span) => span.cat === cat).map(({ name }) => name))];
}

test('--trace: events, plugins, sections, kernels and threads of the run, which nest; the run is the same', async (t) => {
  const folder = textFolder(t);
  const train = (...more: string[]): ReturnType<typeof espalier> =>
    espalier(folder, 'train', '-p', 'debug', ...settings, ...more);
  const { code, err } = await train(
    '--trace',
    't.json',
    '--set',
    'batches=curriculum',
    '--set',
    'plugins.analysis=true',
  );
  t.is(code, 0, err);
  t.regex(err, /trace: .*t\.json \(9 iterations, [\d.]+ MB\); open it in https:\/\/ui\.perfetto\.dev/);
  const { spans, threads } = spansIn(path.join(folder, 't.json'));
  const around = nesting(t, spans);

  t.deepEqual(
    names(spans, 'iteration'),
    Array.from({ length: 9 }, (_, i) => `iteration ${i}`),
  );
  for (const event of ['iteration:start', 'batch:ready', 'micro-batch:end', 'gradients:ready', 'evaluation:due'])
    t.true(names(spans, 'event').includes(event), event);
  for (const plugin of ['evaluation', 'training-metrics', 'progress', 'profiler', 'checkpoint'])
    t.true(names(spans, 'plugin').includes(plugin), plugin);
  const sections = ['data_loading', 'forward', 'backward', 'clipping', 'optimizer', 'evaluation', 'checkpoint'];
  t.deepEqual(names(spans, 'section').sort(), sections.sort());

  const within = (span: Span, cat: string): string | undefined =>
    around.get(span)?.findLast((outer) => outer.cat === cat)?.name;
  const kernels = spans.filter((span) => span.cat === 'kernel');
  const loss = kernels.filter(({ name }) => name === 'EspalierSoftmaxCrossEntropy');
  t.is(loss.filter((span) => within(span, 'section') === 'forward').length, 18);
  t.is(loss.filter((span) => within(span, 'section') === 'evaluation').length, 6);
  const back = kernels.filter(({ name }) => name === 'EspalierSoftmaxCrossEntropyGrad');
  t.deepEqual(new Set(back.map((span) => within(span, 'section'))), new Set(['backward']));
  const norms = kernels.filter(({ name }) => name === 'EspalierGlobalNorm');
  // The plugin health looks at the weights where they are measured or kept.
  t.deepEqual(new Set(norms.map((span) => within(span, 'section'))), new Set(['clipping', 'evaluation', 'checkpoint']));
  const embedding = kernels.find(({ name }) => name === 'EspalierEmbedding');
  t.is(embedding?.args['ids'], '[2, 16]');
  const metrics = spans.filter((span) => span.cat === 'plugin' && span.args['event'] === 'metrics');
  t.true(metrics.every((span) => within(span, 'event') === 'metrics' && within(span, 'plugin') !== undefined));

  t.is(threads.get(1), 'main');
  t.true([...threads.values()].some((name) => name.startsWith('curriculum (worker ')));
  t.true([...threads.values()].some((name) => name.startsWith('checkpoint writer (worker ')));
  t.true([...threads.values()].some((name) => name.startsWith('analysis (worker ')));
  const workers = spans.filter((span) => span.cat === 'worker');
  t.true(workers.every(({ tid }) => tid !== 1));
  t.true(
    ['rank round', 'write checkpoint', 'measure snapshot'].every((name) => names(workers, 'worker').includes(name)),
  );
  // All threads have one clock: what a checkpoint is written from was taken before, and the run waits for it.
  const due = spans.find(({ name }) => name === 'checkpoint:due')!;
  const written = workers.find(({ name }) => name === 'write checkpoint')!;
  t.true(written.from > due.from);

  t.is((await train('--set', 'batches=curriculum', '--set', 'run.dir=plain')).code, 0);
  const log = (run: string): string => readFileSync(path.join(folder, run, 'metrics.jsonl'), 'utf8');
  t.is(log('runs/debug'), log('plain'));
});

test('a range of iterations is traced; a resumed run is not traced again', async (t) => {
  const folder = textFolder(t);
  const args = ['train', '-p', 'debug', ...settings];
  const first = await espalier(folder, ...args, '--stop-after', '5', '--trace', 't.json', '--trace-iterations', '2-3');
  t.is(first.code, 0, first.err);
  const { spans } = spansIn(path.join(folder, 't.json'));
  nesting(t, spans);
  t.deepEqual(names(spans, 'iteration'), ['iteration 2', 'iteration 3']);
  t.deepEqual(names(spans, 'section').includes('evaluation'), true);
  t.notRegex(readFileSync(path.join(folder, 'runs/debug/config.yaml'), 'utf8'), /trace/);
  const { mtimeMs } = statSync(path.join(folder, 't.json'));
  t.is((await espalier(folder, 'train', '--resume', 'runs/debug', '--set', 'train.max_iters=7')).code, 0);
  t.is(statSync(path.join(folder, 't.json')).mtimeMs, mtimeMs);
  const again = await espalier(
    folder,
    ...[
      'train',
      '--resume',
      'runs/debug',
      '--set',
      'train.max_iters=9',
      '--trace',
      'u.json',
      '--trace-iterations',
      '1',
    ],
  );
  t.is(again.code, 0, again.err);
  t.deepEqual(names(spansIn(path.join(folder, 'u.json')).spans, 'iteration'), ['iteration 7']);
});

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGKILL', null],
] as const) {
  test(`${signal}: the file is whole JSON`, async (t) => {
    const folder = textFolder(t);
    const file = path.join(folder, 't.json');
    const more = ['--set', 'train.max_iters=100000', '--trace', 't.json', '--trace-iterations', '100000'];
    const child = started(folder, 'train', '-p', 'debug', ...settings, ...more);
    const closed = once(child, 'close');
    // What a thread measured comes with its batches: a kill may be before the first.
    const part = code === null ? '' : 'prefetch';
    while (!existsSync(file) || statSync(file).size < 100_000 || !readFileSync(file, 'utf8').includes(part)) {
      await pause(20);
    }
    child.kill(signal);
    t.is((await closed)[0], code);
    const { spans, threads } = spansIn(file);
    nesting(t, spans);
    t.true(names(spans, 'iteration').length > 0);
    if (code !== null) t.true([...threads.values()].some((name) => name.startsWith('prefetch')));
  });
}

test('the plugin works from a config, and reports mistakes before anything is built', async (t) => {
  const folder = textFolder(t);
  const args = ['train', '-p', 'debug', ...settings, '--set', 'train.max_iters=2'];
  const { code, err } = await espalier(folder, ...args, '--set', 'plugins.trace={iterations: 1}');
  t.is(code, 0, err);
  t.deepEqual(names(spansIn(path.join(folder, 'runs/debug/trace.json')).spans, 'iteration'), ['iteration 0']);
  const wrong = async (...more: string[]): Promise<string> => {
    const outcome = await espalier(folder, ...args, '--set', 'run.dir=other', ...more);
    t.is(outcome.code, 2, outcome.err);
    t.false(existsSync(path.join(folder, 'other')));
    return outcome.err;
  };
  t.regex(await wrong('--trace', 'none/t.json'), /there is no folder .*none; .*\[ESP_TRACE_FILE\]/);
  t.regex(await wrong('--trace-iterations', '5'), /--trace-iterations needs --trace FILE \[ESP_USAGE\]/);
  t.regex(await wrong('--trace', 't.json', '--trace-iterations', '5-'), /give a number of iterations, such as 20/);
});
