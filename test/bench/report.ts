import { readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { z } from 'zod';
import { loadBuiltIn } from '../../core/families/load.js';
import type { AnalysisResult } from './analysis.js';
import { MOST, type Cliff } from './cliffs.js';
import type { DataResult } from './data.js';
import type { LoopResult } from './loop.js';
import type { Measure } from './prepare.js';
import type { ProfilerResult } from './profiler.js';
import type { ScalingResult } from './scaling.js';
import { round } from './statistics.js';
import type { StepResult } from './steps.js';
import type { VariantResult } from './variants.js';

const MEGABYTE = 1e6;

/** Defaults of the plugins: how often a run is evaluated and analysed, and how much an analysis may cost. */
const evaluation = await defaultsOf('evaluation', z.looseObject({ interval: z.number() }));
const analysis = await defaultsOf('analysis', z.looseObject({ interval: z.number(), max_cost: z.number() }));

/** Each of our steps beside PyTorch's fastest. */
export function stepSection(results: readonly StepResult[]): string {
  const rows = results.map((result) => {
    const best = bestPeer(results, result.shape);
    const eager = results.find(({ shape, name }) => shape === result.shape && name === 'PyTorch f32');
    const ours = !isPeer(result);
    return [
      result.shape,
      result.name,
      round(result.milliseconds),
      round(result.fastest),
      ours && best !== undefined ? `**${round(best.milliseconds / result.milliseconds)}** (${best.name})` : '',
      ours && eager !== undefined && result.name.endsWith('f32') ? round(eager.milliseconds / result.milliseconds) : '',
      result.floorShare === undefined ? '' : `${round(100 * result.floorShare, 0)} %`,
      round(result.peakBytes / MEGABYTE, 0),
    ];
  });
  const heads = [
    'Shape',
    'What',
    'Median, ms',
    'Fastest, ms',
    'PyTorch’s best / ours',
    'PyTorch f32 eager / ours',
    'Arithmetic floor',
    'Peak memory, MB',
  ];
  return table(heads, rows);
}

/** Processor time of each step while a GPU computes. */
export function hostSection(results: readonly StepResult[]): string {
  const rows = results.map(({ shape, name, milliseconds, hostMilliseconds }) => [
    shape,
    name,
    round(milliseconds),
    round(hostMilliseconds),
  ]);
  return table(['Shape', 'What', 'Median, ms', 'Processor time, ms'], rows);
}

export function loopSection(results: readonly LoopResult[]): string {
  const heads = [
    'Shape',
    'Bare step, ms',
    'Iteration of the loop, ms',
    'Loop / step (of each pair)',
    'Memory of the step, MB',
  ];
  return table(
    heads,
    results.map((result) => [
      result.shape,
      round(result.stepMilliseconds),
      round(result.iterationMilliseconds),
      `${round(100 * result.share, 1)} % (${result.shares.map((share) => round(100 * share, 1)).join(', ')})`,
      `${round(result.residentEarly / MEGABYTE, 0)} after ${String(result.stepsEarly)} steps, ${round(result.residentLate / MEGABYTE, 0)} after ${String(result.steps)}`,
    ]),
  );
}

export function dataSection(results: readonly DataResult[]): string {
  const heads = ['Strategy', '`next()`, µs', 'Iteration, ms', 'Waiting for data'];
  return table(
    heads,
    results.map(({ strategy, nextMicroseconds, iterationMilliseconds, waiting }) => [
      strategy,
      round(nextMicroseconds, 0),
      round(iterationMilliseconds),
      `${round(100 * waiting)} %`,
    ]),
  );
}

export function analysisSection(results: readonly AnalysisResult[]): string {
  const heads = [
    'Shape',
    'Analyses',
    'Core time of one, s',
    'Time lost to one, s',
    'Iterations between two',
    'Cost to the loop',
  ];
  return table(
    heads,
    results.map(({ shape, analyses, iterationMilliseconds, cpuSeconds, lostSeconds }) => {
      const every = analysis.interval * evaluation.interval;
      const between = every * Math.ceil((1000 * cpuSeconds) / analysis.max_cost / iterationMilliseconds / every);
      const cost = (1000 * lostSeconds) / (between * iterationMilliseconds);
      return [
        shape,
        String(analyses),
        round(cpuSeconds),
        round(lostSeconds),
        String(between),
        `${(100 * cost).toFixed(2)} %`,
      ];
    }),
  );
}

export function variantsSection(results: readonly VariantResult[]): string {
  const plain = results[0]?.milliseconds ?? NaN;
  const rows = results.map(({ name, milliseconds }) => [name, round(milliseconds), round(plain / milliseconds)]);
  return table(['Step', 'Median, ms', 'Plain / this'], rows);
}

export function cliffsSection(results: readonly Cliff[]): string {
  const heads = ['Shape', 'Option', 'Median, ms', 'This / plain', `Over ${String(MOST)}`];
  const rows = results.map(({ shape, option, milliseconds, ratio }) => [
    ...[shape, option, round(milliseconds), round(ratio)],
    ratio > MOST ? '**yes**' : '',
  ]);
  return table(heads, rows);
}

export function prepareSection(results: readonly Measure[]): string {
  const heads = ['What', 'MB/s', 'Memory, MB'];
  return table(
    heads,
    results.map(({ what, megabytesPerSecond, memoryMegabytes }) => [
      what,
      round(megabytesPerSecond, 1),
      memoryMegabytes === null ? '' : String(memoryMegabytes),
    ]),
  );
}

export function profilerSection(results: readonly ProfilerResult[]): string {
  const heads = ['Shape', 'Without, ms', 'With, ms', 'Difference', 'Its own work, µs an iteration', 'Of an iteration'];
  return table(
    heads,
    results.map(({ shape, without, with: on, ownMicroseconds }) => [
      shape,
      round(without),
      round(on),
      `${(100 * (on / without - 1)).toFixed(2)} %`,
      round(ownMicroseconds, 1),
      `${(ownMicroseconds / (10 * without)).toFixed(3)} %`,
    ]),
  );
}

export function scalingSection(results: readonly ScalingResult[]): string {
  const most = Math.max(...results.map(({ threads }) => threads));
  const all = results.filter(({ threads }) => threads === most);
  const heads = [
    'Batch × block size',
    'µs a token',
    'MFLOP a token',
    'GFLOP/s',
    `1 thread, µs a token`,
    `Speed of ${String(most)} threads / 1`,
  ];
  const rows = all.map((result) => {
    const { batchSize, blockSize, microsecondsPerToken, arithmeticPerToken } = result;
    const alone = results.find((other) => other.threads === 1 && sameSize(other, result))?.microsecondsPerToken ?? NaN;
    return [
      `${String(batchSize)} × ${String(blockSize)}`,
      round(microsecondsPerToken),
      round(arithmeticPerToken, 1),
      round((arithmeticPerToken * 1000) / microsecondsPerToken, 0),
      round(alone),
      round(alone / microsecondsPerToken),
    ];
  });
  return table(heads, rows);
}

/** The machine and the contestants, in one line. */
export function machine(contestants: readonly StepResult[]): string {
  const [cpu] = os.cpus();
  const described = new Set(contestants.map(({ name, description }) => `${name.split(' ')[0] ?? ''}: ${description}`));
  return [
    `${cpu?.model ?? 'unknown processor'}, ${String(os.availableParallelism())} cores, ${String(Math.round(os.totalmem() / 2 ** 30))} GiB,`,
    `${os.type()} ${os.release()}, Node ${process.versions.node}; ${[...described].join('; ')}.`,
  ].join(' ');
}

/** Replaces the text between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` of the page. */
export async function writeSections(page: string, sections: ReadonlyMap<string, string>): Promise<void> {
  let text = await readFile(page, 'utf8');
  for (const [name, section] of sections) {
    const [start, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
    const [from, to] = [text.indexOf(start), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`${page} has no section ${start} … ${end}`);
    text = `${text.slice(0, from + start.length)}\n\n${section}\n\n${text.slice(to)}`;
  }
  await writeFile(page, text);
}

function bestPeer(results: readonly StepResult[], shape: string): StepResult | undefined {
  return results
    .filter((result) => isPeer(result) && result.shape === shape)
    .toSorted((a, b) => a.milliseconds - b.milliseconds)[0];
}

function isPeer({ name }: StepResult): boolean {
  return name.startsWith('PyTorch');
}

function sameSize(a: ScalingResult, b: ScalingResult): boolean {
  return a.batchSize === b.batchSize && a.blockSize === b.blockSize;
}

/** Returns a Markdown table as Prettier formats it. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, column) =>
    Math.max(3, ...[head, ...rows.map((row) => row[column] ?? '')].map((cell) => cell.length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(heads), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** Returns the defaults of a plugin's options. */
async function defaultsOf<T>(plugin: string, schema: z.ZodType<T>): Promise<T> {
  const { options } = await loadBuiltIn(plugin);
  return schema.parse(options.config?.parse({}));
}
