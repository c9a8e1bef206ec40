import { tf } from '../../../core/tf.js';
import type { ExecutionContext } from 'ava';
import { openStoredRun } from '../../../plugins/checkpoint/stored/open.js';

/** Returns the logits of a stored run's model for the tokens 0 to 15, [16 · vocab]. */
export async function logitsOf(t: ExecutionContext, cwd: string, from: string): Promise<number[]> {
  const { run } = await openStoredRun(from, ['engine', 'model'], { cwd });
  t.teardown(() => run.dispose());
  const ids = tf.tensor2d([Array.from({ length: 16 }, (_, id) => id)], [1, 16], 'int32');
  return tf.tidy(() => Array.from(run.model.logits(ids).dataSync()));
}
