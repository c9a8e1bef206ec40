import type { ExecutionContext } from 'ava';
import { Engine, tf, type Model } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import type { Run } from '../../../core/run/run.js';
import { useEngine } from '../../../core/tf.js';

export const VOCAB = 11;

/** Returns a run with these model options, on the cpu engine. */
export async function decoderRun(
  t: ExecutionContext,
  options: Record<string, unknown>,
  { seed = 1, loads = false } = {},
): Promise<Run> {
  const { run } = await makeRun({
    cwd: process.cwd(),
    presets: ['debug'],
    set: ['engine=cpu', `seed=${String(seed)}`, `model=${JSON.stringify(options)}`],
    only: ['engine', 'model'],
  });
  t.teardown(() => run.dispose());
  await run.setUp(VOCAB, { loads });
  useEngine(run.container.resolve(Engine));
  return run;
}

/** Returns that run's model. */
export async function decoder(t: ExecutionContext, options: Record<string, unknown>, seed = 1): Promise<Model> {
  return (await decoderRun(t, options, { seed })).model;
}

export function values(tensor: tf.Tensor | undefined): Float32Array {
  return Float32Array.from(tensor?.dataSync() ?? []);
}

export function ids(...rows: number[][]): tf.Tensor2D {
  return tf.tensor2d(rows, undefined, 'int32');
}
