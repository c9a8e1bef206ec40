import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { tf, type Engine, useEngine } from '../../../core/index.js';
import { z } from 'zod';
import { cacheFolder } from './cache-folder.js';
import { makeFolder, writeWhole } from '../../files/contract.js';

/** Smallest matrix to try; the size doubles until a product takes long enough to be timed. */
const SMALLEST = 128;
const LARGEST = 4096;
const LONG_ENOUGH_MS = 2;
/** Time to repeat products of each size, and of the last; the fastest counts. */
const TRY_MS = 10;
const REPEAT_MS = 150;

/** If other programs use more than this share of the processors during a measurement, it counts as busy. */
const BUSY_SHARE = 0.2;

const flopsSchema = z.number().positive();
/** By `keyOf`: a number, or a measurement made on a busy machine. */
const cacheSchema = z.record(
  z.string(),
  z.union([flopsSchema, z.strictObject({ flops: flopsSchema, busy: z.literal(true) })]),
);

/** The highest measured speed of an engine. */
export interface Peak {
  /** Floating-point operations a second. */
  readonly flops: number;
  /** True if other programs were computing meanwhile: the value may be too low. */
  readonly busy: boolean;
}

/**
 * Returns the highest number of floating-point operations per second that an engine reaches here, in a product of two
 * square matrices. Measured (a quarter of a second) for each processor, engine, number of threads and precision, and
 * stored in the user's cache. A measurement on a busy machine is repeated the next time, and the higher value is kept.
 */
export async function peakFlops(engine: Engine): Promise<number> {
  const known = knownPeaks()[keyOf(engine)];
  if (typeof known === 'number') return known;
  return (await remeasuredPeak(engine, known?.flops)).flops;
}

/** Measures again and replaces the stored value. @param reached speed that the engine has already reached */
export async function remeasuredPeak(engine: Engine, reached = 0): Promise<Peak> {
  const measured = measurePeak(engine);
  const peak = { flops: Math.max(measured.flops, reached), busy: measured.busy };
  const kept = peak.busy ? peak : peak.flops;
  try {
    makeFolder(cacheFolder());
    await writeWhole(file(), `${JSON.stringify({ ...knownPeaks(), [keyOf(engine)]: kept }, null, 2)}\n`);
  } catch {
    // If the cache cannot be written, the next process measures again.
  }
  return peak;
}

/** Formats as `347.2 GFLOP/s`. */
export function showFlops(flops: number): string {
  return `${(flops / 1e9).toFixed(1)} GFLOP/s`;
}

function measurePeak(engine: Engine): Peak {
  useEngine(engine);
  const othersSince = processorTime();
  const flops = tf.tidy(() => {
    let size = SMALLEST;
    let operands = operandsOf(size);
    while (fastest(TRY_MS, operands) < LONG_ENOUGH_MS && size < LARGEST) {
      size *= 2;
      operands = operandsOf(size);
    }
    return (2 * size ** 3) / (fastest(REPEAT_MS, operands) / 1000);
  });
  return { flops, busy: othersSince() };
}

/**
 * Starts measuring processor time; the returned function says whether other programs have used too much of it since.
 */
function processorTime(): () => boolean {
  const from = { at: performance.now(), own: process.cpuUsage(), all: busyMilliseconds() };
  return () => {
    const elapsed = performance.now() - from.at;
    const { user, system } = process.cpuUsage(from.own);
    const others = (busyMilliseconds() - from.all - (user + system) / 1000) / elapsed;
    const usable = availableParallelism();
    return others > cpus().length - usable + BUSY_SHARE * usable;
  };
}

/** Returns the busy time of all processors since the machine started. */
function busyMilliseconds(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
}

type Operands = readonly [tf.Tensor2D, tf.Tensor2D];

/** Returns numbers between -1 and 1, because a processor may be faster with zeros. */
function operandsOf(size: number): Operands {
  const numbers = (factor: number): tf.Tensor2D =>
    tf.tidy(() => tf.reshape(tf.sin(tf.mul(tf.range(0, size * size, 1, 'float32'), factor)), [size, size]));
  return [numbers(0.1), numbers(0.3)];
}

/** Returns the fastest product within the time, of at least three, in milliseconds. */
function fastest(milliseconds: number, operands: Operands): number {
  const from = performance.now();
  const times: number[] = [];
  do times.push(timed(operands));
  while (performance.now() - from < milliseconds || times.length < 3);
  return Math.min(...times);
}

function timed([a, b]: Operands): number {
  return tf.tidy(() => {
    const from = performance.now();
    // Reading an element waits for computations on another device.
    tf.slice(tf.matMul(a, b), [0, 0], [1, 1]).dataSync();
    return performance.now() - from;
  });
}

function keyOf({ name, description }: Engine): string {
  const [cpu] = cpus();
  return `${cpu?.model ?? 'unknown processor'}, ${String(availableParallelism())} cores; ${name}: ${description}`;
}

function file(): string {
  return path.join(cacheFolder(), 'peak-flops.json');
}

function knownPeaks(): z.output<typeof cacheSchema> {
  try {
    return cacheSchema.parse(JSON.parse(readFileSync(file(), 'utf8')));
  } catch {
    return {};
  }
}
