import { tf, type GenerateOptions } from '../../../core/index.js';
import { constantWeightsScope, paddedLength } from '../../ops/contract.js';
import { generateSteps, type NextLogits } from '../generation/steps.js';
import { Past } from './past.js';

/**
 * Computes the logits of the token that follows each row: ids [rows, time] → [rows, 1, vocab].
 * @param length of the rows without the padding after it
 */
export type LastLogits = (ids: tf.Tensor2D, length: number, past?: Past) => tf.Tensor3D;

/** Continues a prompt once for each of `options`, with a key/value cache between steps. */
export function* decoderSteps(
  { blockSize, last }: { blockSize: number; last: LastLogits },
  prompt: readonly number[],
  options: readonly GenerateOptions[],
): Generator<undefined, number[][]> {
  const tokens = Math.max(0, ...options.map(({ maxNewTokens }) => maxNewTokens));
  const past = new Past(options.length, paddedLength(Math.min(blockSize, prompt.length + tokens), blockSize));
  // No position sees those after it, and the cache's are overwritten before they are seen.
  const padded = (ids: readonly number[]): number[] => [
    ...ids,
    ...new Array<number>(paddedLength(ids.length, blockSize) - ids.length).fill(0),
  ];
  const withConstantWeights = constantWeightsScope();
  const logits: NextLogits = {
    after: (ids) => withConstantWeights(() => logitsAfter(last, [padded(ids)], ids.length)),
    kept: {
      begin: (ids) => withConstantWeights(() => logitsAfter(last, [padded(ids)], ids.length, past)),
      next: (ids) => {
        const rows = ids.map((id) => [id]);
        return rowsOf(
          withConstantWeights(() => logitsAfter(last, rows, 1, past)),
          ids.length,
        );
      },
    },
  };
  try {
    return yield* generateSteps(prompt, blockSize, options, logits);
  } finally {
    past.dispose();
  }
}

/** Returns the logits of the token that follows each row, [rows, vocab]. */
function logitsAfter(
  last: LastLogits,
  rows: readonly (readonly number[])[],
  length: number,
  past?: Past,
): Float32Array {
  const shape: [number, number] = [rows.length, rows[0]?.length ?? 0];
  let logits = new Float32Array();
  // Not returned from `tidy`, which would search it for tensors number by number.
  tf.tidy(() => {
    logits = Float32Array.from(last(tf.tensor2d(rows.flat(), shape, 'int32'), length, past).dataSync());
  });
  past?.advance(length);
  return logits;
}

function rowsOf(values: Float32Array, rows: number): Float32Array[] {
  const length = values.length / rows;
  return Array.from({ length: rows }, (_, row) => values.subarray(row * length, (row + 1) * length));
}
