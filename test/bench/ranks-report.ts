import { table } from './report.js';
import type { AverageTime, RanksResult, RanksTime } from './ranks.js';
import { round } from './statistics.js';

const MACHINES = [2, 4, 16, 64, 256, 1000];
const ACCUMULATIONS = [1, 16];
const BUCKETS_MB = [1, 64];

/** Cost of a message: a fixed time plus a time per byte. */
export interface Network {
  readonly transport: string;
  /** Milliseconds of one message. */
  readonly latency: number;
  /** Milliseconds of one byte, including its sum. */
  readonly perByte: number;
}

/**
 * Returns the cost of a message from the times of two ranks, which exchange a bucket in two messages of half its size:
 * the smallest bucket gives the latency, the largest the time of a byte.
 */
export function networks(averages: readonly AverageTime[]): Network[] {
  return [...new Set(averages.map(({ transport }) => transport))].map((transport) => {
    const sorted = averages.filter((each) => each.transport === transport).toSorted((a, b) => a.bytes - b.bytes);
    const [small, large] = [sorted[0], sorted.at(-1)];
    return {
      transport,
      latency: (small?.milliseconds ?? NaN) / 2,
      perByte: (large?.milliseconds ?? NaN) / (large?.bytes ?? NaN),
    };
  });
}

/**
 * Returns the milliseconds to average `bytes` over N machines: N - 1 messages per bucket in each of two phases, and
 * 2 (N - 1) / N of the bytes (with two ranks, all bytes once).
 */
export function averagingTime({ latency, perByte }: Network, machines: number, bytes: number, bucket: number): number {
  const buckets = Math.ceil(bytes / bucket);
  return 2 * (machines - 1) * latency * buckets + 2 * ((machines - 1) / machines) * bytes * perByte;
}

export function averagesSection({ averages }: RanksResult): string {
  const heads = ['Over', 'Bytes', 'Time, ms', 'MB/s'];
  const rows = averages.map(({ transport, bytes, milliseconds }) => [
    transport,
    bytes.toLocaleString('en-US'),
    round(milliseconds, 3),
    round(bytes / milliseconds / 1000, 1),
  ]);
  return table(heads, rows);
}

export function ranksSection({ launcher, runs }: RanksResult): string {
  const heads = [
    'Shape',
    `Ranks (${launcher}) over`,
    'Wire',
    'Overlap',
    'Processes alone, ms',
    'Ranks, ms',
    'Efficiency',
    'Communication',
  ];
  const rows = runs.map(({ shape, ranks, over, wire, overlap, independentMs, ranksMs, communicationMs }) => [
    shape,
    `${String(ranks)}, ${over}`,
    wire,
    overlap ? 'yes' : 'no',
    round(independentMs),
    round(ranksMs),
    percent(independentMs / ranksMs),
    percent(communicationMs / ranksMs),
  ]);
  return table(heads, rows);
}

/** Efficiency on N machines: time of an iteration alone divided by its time with averaging. */
export function modelSection({ averages, runs }: RanksResult): string {
  const network = networks(averages).at(-1);
  if (network === undefined) return '';
  // Each shape once.
  const shapes = runs.filter(({ shape }, i) => runs.findIndex((run) => run.shape === shape) === i);
  const cases = shapes.flatMap((run) =>
    ACCUMULATIONS.flatMap((accumulation) => BUCKETS_MB.map((bucket) => ({ run, accumulation, bucket }))),
  );
  const heads = [
    'Shape',
    'Accumulation',
    '`bucket_mb`',
    ...MACHINES.map((n) => `${n.toLocaleString('en-US')} machines`),
  ];
  const rows = cases.map(({ run, accumulation, bucket }) => [
    run.shape,
    String(accumulation),
    String(bucket),
    ...MACHINES.map((machines) => percent(efficiency(network, run, machines, accumulation, bucket * 1e6))),
  ]);
  const measured = `Measured over ${network.transport}: ${round(1000 * network.latency, 0)} µs a message, ${round(1 / network.perByte / 1000, 0)} MB/s.`;
  return `${measured}\n\n${table(heads, rows)}`;
}

function efficiency(
  network: Network,
  { independentMs, bytes }: RanksTime,
  machines: number,
  accumulation: number,
  bucket: number,
): number {
  const alone = accumulation * independentMs;
  return alone / (alone + averagingTime(network, machines, bytes, bucket));
}

function percent(share: number): string {
  return `${round(100 * share, 0)} %`;
}
