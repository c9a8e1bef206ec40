import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { type ExecutionContext } from 'ava';
import { globSync } from 'tinyglobby';
import { z } from 'zod';
import type { Histogram, Metrics, RunRollback, Sample } from '../../plugins/index.js';
import { FILE_HEADER, readRecords } from '../../plugins/logs/wandb/blocks.js';
import { decodeRecord, type WandbRecord } from '../../plugins/logs/wandb/records.js';
import { text, textFolder } from '../text.js';
import { readByTensorBoard, tensorboard } from '../plugins/logs/event-reader.js';
import { partlyNeeding } from '../needs.js';
import { commandFile } from './command.js';
import { espalier } from './warm.js';

const withTensorBoard = partlyNeeding(tensorboard);

/**
 * Writes each event down at once, and sends its own process the signal of KILL in the middle of an iteration, after some
 * milliseconds in which files are written.
 */
const recorder = `import { appendFileSync } from 'node:fs';
import { On, Plugin } from 'espalier';
const [signal, at, wait = '0'] = (process.env['KILL'] ?? '').split(',');
const write = (event, payload) => appendFileSync(process.env['RECORD'], JSON.stringify({ event, payload }) + '\\n');
@Plugin({ name: 'recorder', summary: 'keeps what is dispatched' })
export default class Recorder {
  @On('metrics') metrics(payload) { write('metrics', payload); }
  @On('sample') sample(payload) { write('sample', payload); }
  @On('histogram') histogram(payload) { write('histogram', payload); }
  @On('run:rollback') rollback(payload) { write('rollback', payload); }
  @On('gradients:ready') async kill({ iteration }) {
    if (!signal || iteration !== Number(at)) return;
    await new Promise((resolve) => setTimeout(resolve, Number(wait)));
    process.kill(process.pid, signal);
  }
}
`;

/** Has the run go back to its newest checkpoint after an iteration, once. */
const goingBack = `import { inject, On, Plugin, RunControl } from 'espalier';
@Plugin({ name: 'going-back', summary: 'asks for a rollback after iteration 8' })
export default class GoingBack {
  private asked = false;
  constructor(@inject(RunControl) private readonly control: RunControl) {}
  @On('iteration:end')
  ask({ iteration }): void {
    if (iteration !== 7 || this.asked) return;
    this.asked = true;
    this.control.requestRollback({ to: 'latest', what: 'run', data: 'skip', reason: 'a test' });
  }
}
`;

const throwing = `import { On, Plugin } from 'espalier';
@Plugin({ name: 'throwing', summary: 'a sink that fails', critical: false })
export default class Throwing {
  @On('metrics') metrics() { throw new Error('the sink is broken'); }
  dispose() { throw new Error('still broken'); }
}
`;

const config = `
extends: [debug]
engine: auto
data: { text: text.txt }
model: { n_layer: 1, n_head: 1, n_embd: 8, block_size: 8 }
train: { max_iters: 12, batch_size: 2 }
plugins:
  evaluation: { interval: 3, iters: 1, at_start: true }
  training-metrics: { interval: 1 }
  checkpoint: { interval: 5 }
  ./throwing.ts: {}
  tensorboard: {}
  csv: {}
  histograms: { interval: 4, buckets: 5 }
  samples: { prompts: ['the', "fox jumps\\n"], tokens: 12 }
  ./my-sink.ts: {}
  ./recorder.ts: {}
`;

interface Recorded {
  metrics: Metrics[];
  sample: Sample[];
  histogram: Histogram[];
}

/** A folder with the config, and the sink of the guide as it stands there. */
function folderOf(t: ExecutionContext): string {
  const folder = textFolder(t);
  const guide = readFileSync('docs/plugins/sink.md', 'utf8');
  const [, mySink = ''] = /```ts\n(\/\/ my-sink\.ts\n.*?)```/s.exec(guide) ?? [];
  const files = {
    'recorder.ts': recorder,
    'throwing.ts': throwing,
    'going-back.ts': goingBack,
    'my-sink.ts': mySink,
    'espalier.config.yaml': config,
    'text.txt': text.replaceAll('. ', '.\n'),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, name), content);
  return folder;
}

/** `espalier train`, with what its plugins dispatched. */
async function train(folder: string, kill: string, ...args: string[]): Promise<Ended & { recorded: Recorded }> {
  const record = path.join(folder, `recorded-${String(readdirSync(folder).length)}.jsonl`);
  const ended = kill === '' ? await undisturbed(folder, record, args) : await killed(folder, kill, record, args);
  let recorded = noneOf();
  for (const line of existsSync(record) ? linesOf(record) : []) {
    const { event, payload } = JSON.parse(line) as { event: keyof Recorded | 'rollback'; payload: never };
    if (event === 'rollback') recorded = together(recorded, (payload as RunRollback).to, noneOf());
    else recorded[event].push(payload);
  }
  return { ...ended, recorded };
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly err: string;
}

async function undisturbed(folder: string, record: string, args: readonly string[]): Promise<Ended> {
  // Taken over by the command at once.
  process.env['RECORD'] = record;
  const { code, err } = await espalier(folder, 'train', ...args);
  return { code, signal: null, err };
}

function killed(folder: string, kill: string, record: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [commandFile, 'train', ...args], {
    cwd: folder,
    env: { ...process.env, KILL: kill, RECORD: record },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (err += piece));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal, err });
    });
  });
}

function linesOf(file: string): string[] {
  const content = readFileSync(file, 'utf8');
  if (!content.endsWith('\n')) throw new Error(`${file} ends in the middle of a line`);
  return content.slice(0, -1).split('\n');
}

function noneOf(): Recorded {
  return { metrics: [], sample: [], histogram: [] };
}

/** Events after a checkpoint occur again in the run that resumes from it. */
function together(first: Recorded, upTo: number, then: Recorded): Recorded {
  const join = <T extends { readonly iteration: number }>(a: T[], b: T[]): T[] => [
    ...a.filter(({ iteration }) => iteration <= upTo),
    ...b,
  ];
  return {
    metrics: join(first.metrics, then.metrics),
    sample: join(first.sample, then.sample),
    histogram: join(first.histogram, then.histogram),
  };
}

const numbers = z.record(z.string(), z.number());
type Value = readonly [iteration: number, name: string, value: number];

/** Each file has the values of every event of metrics, in order, and nothing else. */
function checkLogs(t: ExecutionContext, folder: string, recorded: Recorded): void {
  const run = path.join(folder, 'runs/debug');
  const expected: Value[] = recorded.metrics.flatMap(({ iteration, values }) =>
    Object.entries(values).map(([name, value]): Value => [iteration, name, value]),
  );
  t.true(expected.length > 40);
  const csv = linesOf(path.join(run, 'metrics.csv'));
  t.is(csv[0], 'iter,tokens,metric,value');
  t.deepEqual(
    csv.slice(1),
    expected.map(([iteration, name, value]) => [iteration, 16 * iteration, name, value].join(',')),
  );
  const inJson = ['metrics.jsonl', 'timings.jsonl'].flatMap((name) =>
    linesOf(path.join(run, name)).flatMap((line) => {
      const { iter = NaN, ...values } = numbers.parse(JSON.parse(line));
      delete values['tokens'];
      return Object.entries(values).map(([metric, value]): Value => [iter, metric, value]);
    }),
  );
  t.deepEqual(sorted(inJson), sorted(expected));
}

function checkFiles(t: ExecutionContext, folder: string, recorded: Recorded): void {
  checkLogs(t, folder, recorded);
  t.deepEqual(
    linesOf(path.join(folder, 'runs/debug/my-sink.jsonl')).map((line): unknown => JSON.parse(line)),
    recorded.metrics,
  );
}

function sorted(values: readonly Value[]): string[] {
  return values.map((value) => JSON.stringify(value)).sort();
}

/** TensorBoard finds every scalar, histogram and text, each once. */
function checkTensorBoard(t: ExecutionContext, folder: string, recorded: Recorded, starts: readonly number[]): void {
  const read = readByTensorBoard(path.join(folder, 'runs/debug/tensorboard'));
  if (read === undefined) return;
  const scalars = new Points<number>();
  for (const { iteration, values } of recorded.metrics) {
    for (const [name, value] of Object.entries(values)) scalars.add(name, iteration, Math.fround(value));
  }
  t.deepEqual(read.scalars, scalars.byTag);

  const histograms = new Points<object>();
  for (const { iteration, name, edges, counts, sum, sumOfSquares } of recorded.histogram) {
    histograms.add(name, iteration, {
      min: edges[0],
      max: edges.at(-1),
      num: counts.reduce((total, count) => total + count, 0),
      sum,
      sum_squares: sumOfSquares,
      bucket_limit: edges.slice(1),
      bucket: counts,
    });
  }
  t.true(Object.keys(histograms.byTag).includes('gradients/transformer.wte.weight'));
  t.deepEqual(read.histograms as unknown, histograms.byTag);

  const texts = new Points<string>();
  for (const { iteration, prompt, text } of recorded.sample) {
    texts.add(`samples/${prompt.replaceAll('\n', '\\n')}`, iteration, prompt + text);
  }
  t.is(Object.keys(texts.byTag).length, 2);
  const { config: configs = [], ...samples } = read.texts;
  const plain = Object.entries(samples).map(([tag, points]) => [
    tag,
    points.map(([step, text]) => [step, unindented(text)]),
  ]);
  t.deepEqual(Object.fromEntries(plain), texts.byTag);
  t.deepEqual(
    configs.map(([step]) => step),
    starts,
  );
  t.is(unindented(configs.at(-1)?.[1] ?? ''), readFileSync(path.join(folder, 'runs/debug/config.yaml'), 'utf8'));
}

/** The rows that the run's W&B file has. */
function historyOf(folder: string): NonNullable<WandbRecord['history']>[] {
  const [file = ''] = globSync('runs/debug/wandb/*/*.wandb', { cwd: folder, absolute: true });
  const descriptor = openSync(file, 'r');
  try {
    return [...readRecords(descriptor, FILE_HEADER.length)].flatMap(({ bytes }) => decodeRecord(bytes).history ?? []);
  } finally {
    closeSync(descriptor);
  }
}

class Points<T> {
  readonly byTag: Record<string, [number, T][]> = {};

  add(tag: string, step: number, value: T): void {
    (this.byTag[tag] ??= []).push([step, value]);
  }
}

/** TensorBoard shows texts as Markdown: four spaces make a block of code. */
function unindented(text: string): string {
  return text
    .split('\n')
    .map((line) => line.slice(4))
    .join('\n');
}

withTensorBoard(
  'a run that ends by SIGTERM, and is resumed to its end: every sink has every event, once',
  async (t) => {
    const folder = folderOf(t);
    const stopped = await train(folder, 'SIGTERM,6');
    t.is(stopped.code, 143, stopped.err);
    checkFiles(t, folder, stopped.recorded);
    // It ends after the iteration in which the signal is heard.
    const last = Math.max(...stopped.recorded.metrics.map(({ iteration }) => iteration));
    t.true(last >= 7 && last < 12);
    checkTensorBoard(t, folder, stopped.recorded, [0]);

    t.regex(stopped.err, /plugin throwing failed at metrics: the sink is broken; the run continues/);
    t.regex(stopped.err, /it failed 3 times and is muted/);
    t.regex(stopped.err, /throwing.*dispose\(\).*still broken/);

    const resumed = await train(folder, '', '--resume');
    t.is(resumed.code, 0, resumed.err);
    const all = together(stopped.recorded, last, resumed.recorded);
    checkFiles(t, folder, all);
    checkTensorBoard(t, folder, all, [0, last]);
  },
);

withTensorBoard(
  'a run that is killed and resumed: every sink has what came before the checkpoint, and after it, once',
  async (t) => {
    const folder = folderOf(t);
    const killed = await train(folder, 'SIGKILL,8');
    t.is(killed.signal, 'SIGKILL', killed.err);
    const resumed = await train(folder, '', '--resume');
    t.is(resumed.code, 0, resumed.err);
    // Whether the newest was complete at the kill depends on the disk.
    const at = Number(/resuming from .* at iteration ([56])/.exec(resumed.err)?.[1]);
    t.false(Number.isNaN(at), resumed.err);
    const all = together(killed.recorded, at, resumed.recorded);
    checkFiles(t, folder, all);
    checkTensorBoard(t, folder, all, [0, at]);
  },
);

withTensorBoard(
  'a run that is killed after the evaluation that it was stopped before: every sink has that evaluation once',
  async (t) => {
    const folder = folderOf(t);
    // No checkpoint for being the best: the newest is then that of the stop.
    const settings = 'plugins={wandb: {mode: offline}, checkpoint: {keep: {best: 0}}}';
    const stopped = await train(folder, 'SIGTERM,5', '--set', settings);
    t.is(stopped.code, 143, stopped.err);
    t.regex(stopped.err, /the evaluation at iteration 6 will run when the run is resumed/);

    const killed = await train(folder, 'SIGKILL,8,1500', '--resume');
    t.is(killed.signal, 'SIGKILL', killed.err);
    t.true(linesOf(path.join(folder, 'runs/debug/metrics.csv')).some((line) => /^6,.*val\/loss/.test(line)));

    const resumed = await train(folder, '', '--resume');
    t.is(resumed.code, 0, resumed.err);
    const all = together(stopped.recorded, 6, resumed.recorded);
    checkFiles(t, folder, all);
    checkTensorBoard(t, folder, all, [0, 6]);
    const values = historyOf(folder).flatMap(({ step, item }) => item.map(({ key }) => `${String(step.num)} ${key}`));
    t.deepEqual(
      values.filter((value) => /loss/.test(value)),
      all.metrics.flatMap(({ iteration, values: named }) =>
        Object.keys(named).flatMap((name) => (/loss/.test(name) ? [`${String(iteration)} ${name}`] : [])),
      ),
    );
  },
);

withTensorBoard('a run that goes back to a checkpoint: no sink keeps what is gone', async (t) => {
  const folder = folderOf(t);
  const { code, err, recorded } = await train(
    folder,
    '',
    '--set',
    'plugins={"./going-back.ts": {}, "./my-sink.ts": false, wandb: {mode: offline}}',
  );
  t.is(code, 0, err);
  t.regex(err, /a test: rolling back the run from iteration 8 to checkpoint 000006/);
  checkLogs(t, folder, recorded);
  checkTensorBoard(t, folder, recorded, [0]);
  const steps = historyOf(folder).map(({ step }) => step.num);
  t.deepEqual([...new Set(steps)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  t.deepEqual(
    steps,
    steps.toSorted((a, b) => a - b),
    'none comes twice',
  );
});
