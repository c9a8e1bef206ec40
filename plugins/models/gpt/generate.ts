import { tf, type GenerateOptions } from '../../../core/index.js';
import { constantWeightsScope } from '../../ops/contract.js';
import { generateSteps, type NextLogits } from '../generation/steps.js';
import type { GptConfig } from './config.js';
import { head, hiddenStates, Layers } from './forward.js';
import { Past } from './past.js';

/** What generating needs of the model. */
export interface Generating {
  readonly config: GptConfig;
  readonly weights: ReadonlyMap<string, tf.Variable>;
}

/** Continues a prompt once for each of `options`, and keeps keys and values between steps. */
export function* gptSteps(
  model: Generating,
  prompt: readonly number[],
  options: readonly GenerateOptions[],
): Generator<undefined, number[][]> {
  const { block_size: blockSize } = model.config;
  const tokens = Math.max(0, ...options.map(({ maxNewTokens }) => maxNewTokens));
  const past = new Past(options.length, Math.min(blockSize, prompt.length + tokens));
  const withConstantWeights = constantWeightsScope();
  const logits: NextLogits = {
    after: (ids) => withConstantWeights(() => logitsAfter(model, [ids])),
    kept: {
      begin: (ids) => withConstantWeights(() => logitsAfter(model, [ids], past)),
      next: (ids) => {
        const rows = ids.map((id) => [id]);
        return rowsOf(
          withConstantWeights(() => logitsAfter(model, rows, past)),
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

/** Logits of the token after each row of ids, [rows, vocab]. */
function logitsAfter({ config, weights }: Generating, rows: readonly (readonly number[])[], past?: Past): Float32Array {
  const time = rows[0]?.length ?? 0;
  let logits = new Float32Array();
  // Not returned: `tidy` would look for tensors in it, number by number.
  tf.tidy(() => {
    const input = tf.tensor2d(rows.flat(), [rows.length, time], 'int32');
    const layers = new Layers(config, weights, past === undefined ? {} : { past });
    const hidden = hiddenStates(layers, input); // [rows, time, embd]
    const last = time === 1 ? hidden : tf.slice(hidden, [0, time - 1, 0], [rows.length, 1, config.n_embd]);
    logits = Float32Array.from(head(layers, last).dataSync());
  });
  past?.advance(time);
  return logits;
}

function rowsOf(values: Float32Array, rows: number): Float32Array[] {
  const length = values.length / rows;
  return Array.from({ length: rows }, (_, row) => values.subarray(row * length, (row + 1) * length));
}
