import { ours, threads } from './contestants.js';
import { arithmeticOf, type Shape } from './shapes.js';
import { median } from './statistics.js';

export interface ScalingResult {
  readonly batchSize: number;
  readonly blockSize: number;
  readonly threads: number;
  readonly microsecondsPerToken: number;
  /** Arithmetic of a token, in MFLOP. */
  readonly arithmeticPerToken: number;
}

const BATCH_SIZES = [1, 4, 16];
const BLOCK_SIZES = [64, 256, 1024];
const STEPS = 7;

/** Measures a step of `shape` in f32 by batch and block size, on one thread and on all. */
export async function measureScaling(shape: Shape, say: (line: string) => void): Promise<ScalingResult[]> {
  const results: ScalingResult[] = [];
  for (const blockSize of BLOCK_SIZES) {
    for (const batchSize of BATCH_SIZES) {
      say(`scaling: batch ${String(batchSize)} × ${String(blockSize)}`);
      const sized = { ...shape, batchSize, blockSize };
      for (const count of new Set([1, threads])) {
        const settings = [`engine.threads=${String(count)}`, 'precision=f32'];
        const contestant = await ours('native', sized, settings);
        await contestant.ask({ steps: 2 });
        const { times } = await contestant.ask({ steps: STEPS });
        await contestant.stop();
        const tokens = batchSize * blockSize;
        results.push({
          batchSize,
          blockSize,
          threads: count,
          microsecondsPerToken: (median(times) * 1000) / tokens,
          arithmeticPerToken: arithmeticOf(sized) / tokens / 1e6,
        });
      }
    }
  }
  return results;
}
