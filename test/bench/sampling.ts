import { setTimeout as pause } from 'node:timers/promises';
import type { Contestant } from './contestant.js';
import { oursSampling, transformers, type SamplingRequest } from './contestants.js';
import { table } from './report.js';
import { pretrainedShape } from './shapes.js';
import { median, round } from './statistics.js';

export interface SamplingResult {
  readonly name: string;
  /** Median and maximum over the rounds; undefined if not measured. */
  readonly tokensPerSecond?: number;
  readonly most?: number;
  readonly peakBytes?: number;
  /** Why it was not measured. */
  readonly missing?: string;
}

const ROUNDS = 5;
const TOKENS = 64;
/** Milliseconds between turns: PyTorch's threads spin for a while after their last operation. */
const COOL_DOWN = 300;
const PRECISIONS = ['f32', 'bf16'] as const;

/** GPT-2 124M with its whole window, and the defaults of `sample` for temperature and top-k. */
const request: SamplingRequest = {
  shape: { ...pretrainedShape, blockSize: 1024 },
  prompt: Array.from({ length: 16 }, (_, i) => (i * 7919) % pretrainedShape.vocabSize),
  temperature: 0.8,
  topK: 200,
};

/** Measures the native engine and transformers' `generate` in turns, each generating one text token by token. */
export async function measureSampling(
  python: string | undefined,
  say: (line: string) => void,
): Promise<SamplingResult[]> {
  const starts = PRECISIONS.map((precision) => ({
    name: `native ${precision}`,
    start: () => oursSampling('native', request, precision),
  }));
  if (python !== undefined) {
    for (const dtype of PRECISIONS) {
      starts.push({ name: `transformers ${dtype}`, start: () => transformers(request, { dtype, python }) });
    }
  }
  const results = new Map<string, SamplingResult>();
  const contestants = new Map<Contestant, string>();
  try {
    for (const { name, start } of starts) {
      results.set(name, { name });
      try {
        contestants.set(await start(), name);
      } catch (error) {
        say(`not measured: ${String(error)}`);
        results.set(name, { name, missing: whyOf(error) });
      }
    }
    for (const [name, result] of await takeTurns(contestants, say)) results.set(name, result);
  } finally {
    await Promise.all([...contestants.keys()].map((contestant) => contestant.stop()));
  }
  return [...results.values()];
}

export function samplingSection(results: readonly SamplingResult[]): string {
  const theirs = results
    .filter(({ name, missing }) => name.startsWith('transformers') && missing === undefined)
    .toSorted((a, b) => (b.tokensPerSecond ?? 0) - (a.tokensPerSecond ?? 0))[0];
  const rows = results.map(({ name, tokensPerSecond = NaN, most = NaN, peakBytes = NaN, missing }) => {
    if (missing !== undefined) return [name, `not measured: ${missing}`];
    const ratio = name.startsWith('native') ? tokensPerSecond / (theirs?.tokensPerSecond ?? NaN) : NaN;
    return [
      name,
      round(tokensPerSecond, 1),
      round(most, 1),
      Number.isNaN(ratio) ? '' : `**${round(ratio)}** (${theirs?.name ?? ''})`,
      round(peakBytes / 1e6, 0),
    ];
  });
  return table(['What', 'Tokens/s', 'Most, tokens/s', 'Ours / transformers’ best', 'Peak memory, MB'], rows);
}

async function takeTurns(
  contestants: ReadonlyMap<Contestant, string>,
  say: (line: string) => void,
): Promise<Map<string, SamplingResult>> {
  const speeds = new Map([...contestants.values()].map((name) => [name, [] as number[]]));
  const peaks = new Map<string, number>();
  for (const contestant of contestants.keys()) await contestant.ask({ steps: 4 });
  for (let turn = 1; turn <= ROUNDS; turn++) {
    say(`sampling: round ${String(turn)} of ${String(ROUNDS)}`);
    for (const [contestant, name] of contestants) {
      const { times, peakBytes } = await contestant.ask({ steps: TOKENS });
      speeds.get(name)?.push(...times.map((milliseconds) => 1000 / milliseconds));
      peaks.set(name, peakBytes);
      await pause(COOL_DOWN);
    }
  }
  return new Map(
    [...speeds].map(([name, all]) => [
      name,
      { name, tokensPerSecond: median(all), most: Math.max(...all), peakBytes: peaks.get(name) ?? NaN },
    ]),
  );
}

function whyOf(error: unknown): string {
  const text = String(error);
  return text.includes('transformers not found') ? 'transformers not found' : 'it did not start';
}
