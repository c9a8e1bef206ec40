import { tf, type GenerateOptions } from '../../../core/index.js';
import { constantWeightsScope } from '../../ops/contract.js';
import { generateSteps, type NextLogits } from '../generation/steps.js';
import { Past } from './past.js';

/** Computes the logits of the token that follows each row: ids [rows, time] → [rows, 1, vocab]. */
export type LastLogits = (ids: tf.Tensor2D, past?: Past) => tf.Tensor3D;

/** Continues a prompt once for each of `options`, with a key/value cache between steps. */
export function* decoderSteps(
  { blockSize, last }: { blockSize: number; last: LastLogits },
  prompt: readonly number[],
  options: readonly GenerateOptions[],
): Generator<undefined, number[][]> {
  const tokens = Math.max(0, ...options.map(({ maxNewTokens }) => maxNewTokens));
  const past = new Past(options.length, Math.min(blockSize, prompt.length + tokens));
  const withConstantWeights = constantWeightsScope();
  const logits: NextLogits = {
    after: (ids) => withConstantWeights(() => logitsAfter(last, [ids])),
    kept: {
      begin: (ids) => withConstantWeights(() => logitsAfter(last, [ids], past)),
      next: (ids) => {
        const rows = ids.map((id) => [id]);
        return rowsOf(
          withConstantWeights(() => logitsAfter(last, rows, past)),
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
function logitsAfter(last: LastLogits, rows: readonly (readonly number[])[], past?: Past): Float32Array {
  const time = rows[0]?.length ?? 0;
  let logits = new Float32Array();
  // Not returned from `tidy`, which would search it for tensors number by number.
  tf.tidy(() => {
    logits = Float32Array.from(last(tf.tensor2d(rows.flat(), [rows.length, time], 'int32'), past).dataSync());
  });
  past?.advance(time);
  return logits;
}

function rowsOf(values: Float32Array, rows: number): Float32Array[] {
  const length = values.length / rows;
  return Array.from({ length: rows }, (_, row) => values.subarray(row * length, (row + 1) * length));
}
