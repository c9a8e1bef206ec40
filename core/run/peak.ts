import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { tf } from '../tf.js';
import { z } from 'zod';
import { cacheFolder } from '../cache-folder.js';
import type { Engine } from '../contracts/engine.js';
import { makeFolder } from '../files/make-folder.js';
import { writeWhole } from '../files/write-whole.js';
import { useEngine } from './use-engine.js';

/** The smallest square matrix that is tried; the size doubles until a product takes long enough to be timed. */
const SMALLEST = 128;
const LARGEST = 4096;
const LONG_ENOUGH_MS = 2;
/** How long products of a size are repeated, and of the last: the fastest counts. */
const TRY_MS = 10;
const REPEAT_MS = 150;

const cacheSchema = z.record(z.string(), z.number().positive());

/**
 * The most floating-point operations a second that an engine reaches here: those of its product of two square matrices.
 * Measured once (a quarter of a second) for each processor, engine, number of threads and precision, and kept in the
 * user's cache.
 */
export async function peakFlops(engine: Engine): Promise<number> {
  return knownPeaks()[keyOf(engine)] ?? remeasuredPeak(engine);
}

/** Measures it again, and keeps that. */
export async function remeasuredPeak(engine: Engine): Promise<number> {
  const flops = measurePeak(engine);
  try {
    makeFolder(cacheFolder());
    await writeWhole(file(), `${JSON.stringify({ ...knownPeaks(), [keyOf(engine)]: flops }, null, 2)}\n`);
  } catch {
    // A cache that cannot be written is measured again the next time.
  }
  return flops;
}

/** `347.2 GFLOP/s` */
export function showFlops(flops: number): string {
  return `${(flops / 1e9).toFixed(1)} GFLOP/s`;
}

function measurePeak(engine: Engine): number {
  useEngine(engine);
  return tf.tidy(() => {
    let size = SMALLEST;
    let operands = operandsOf(size);
    while (fastest(TRY_MS, operands) < LONG_ENOUGH_MS && size < LARGEST) {
      size *= 2;
      operands = operandsOf(size);
    }
    return (2 * size ** 3) / (fastest(REPEAT_MS, operands) / 1000);
  });
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

function knownPeaks(): Readonly<Record<string, number>> {
  try {
    return cacheSchema.parse(JSON.parse(readFileSync(file(), 'utf8')));
  } catch {
    return {};
  }
}
