import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { tf, type Engine, useEngine } from '../../../core/index.js';
import { z } from 'zod';
import { cacheFolder } from './cache-folder.js';
import { makeFolder, writeWhole } from '../../files/contract.js';

/** The smallest square matrix that is tried; the size doubles until a product takes long enough to be timed. */
const SMALLEST = 128;
const LARGEST = 4096;
const LONG_ENOUGH_MS = 2;
/** How long products of a size are repeated, and of the last: the fastest counts. */
const TRY_MS = 10;
const REPEAT_MS = 150;

/** Share of the processors that this process can use; if others take more during a measurement, it counts as busy. */
const BUSY_SHARE = 0.2;

const flopsSchema = z.number().positive();
/** By `keyOf`: a number, or what was measured while others were computing too. */
const cacheSchema = z.record(
  z.string(),
  z.union([flopsSchema, z.strictObject({ flops: flopsSchema, busy: z.literal(true) })]),
);

/** The most that an engine was measured to reach. */
export interface Peak {
  /** Floating-point operations a second. */
  readonly flops: number;
  /** Other programs were computing while it was measured: it may be too low. */
  readonly busy: boolean;
}

/**
 * The most floating-point operations a second that an engine reaches here: those of its product of two square matrices.
 * Measured (a quarter of a second) for each processor, engine, number of threads and precision, and kept in the user's
 * cache. What was measured on a busy machine is measured again the next time, and the higher one is kept.
 */
export async function peakFlops(engine: Engine): Promise<number> {
  const known = knownPeaks()[keyOf(engine)];
  if (typeof known === 'number') return known;
  return (await remeasuredPeak(engine, known?.flops)).flops;
}

/** Measures it again, and keeps that in place of what was kept. @param reached what the engine has reached already */
export async function remeasuredPeak(engine: Engine, reached = 0): Promise<Peak> {
  const measured = measurePeak(engine);
  const peak = { flops: Math.max(measured.flops, reached), busy: measured.busy };
  const kept = peak.busy ? peak : peak.flops;
  try {
    makeFolder(cacheFolder());
    await writeWhole(file(), `${JSON.stringify({ ...knownPeaks(), [keyOf(engine)]: kept }, null, 2)}\n`);
  } catch {
    // A cache that cannot be written is measured again the next time.
  }
  return peak;
}

/** `347.2 GFLOP/s` */
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

/** Starts to count the processors' time; what it returns says whether others took too much of it since. */
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

/** Since the machine started, of all its processors. */
function busyMilliseconds(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
}

type Operands = readonly [tf.Tensor2D, tf.Tensor2D];

/** Numbers between -1 and 1: a processor may be faster with zeros. */
function operandsOf(size: number): Operands {
  const numbers = (factor: number): tf.Tensor2D =>
    tf.tidy(() => tf.reshape(tf.sin(tf.mul(tf.range(0, size * size, 1, 'float32'), factor)), [size, size]));
  return [numbers(0.1), numbers(0.3)];
}

/** The fastest of the products that fit into the time, and of three at least, in milliseconds. */
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
    // Reading an element waits for what an engine computes on another device.
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
