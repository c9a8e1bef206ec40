import type { LoadedCheckpoint } from '../../../core/index.js';
import type { ConfiguredPlugin } from '../../../core/runs.js';
import type { ConfigChange } from './changes.js';

/** The setting that ends a run, if no plugin does. */
const ITERATIONS = ['train', 'max_iters'];

/**
 * Returns whether a run that a plugin ended stays ended when it is resumed. It does unless `train.max_iters` or an
 * option of that plugin changes.
 */
export function staysEnded(
  { state }: Pick<LoadedCheckpoint, 'state'>,
  changes: readonly ConfigChange[],
  plugins: readonly ConfiguredPlugin[],
): boolean {
  const { ending } = state.run;
  if (ending === null) return false;
  const { plugin } = ending;
  const options = plugins.find((each) => each.options.name === plugin)?.path ?? ['plugins', plugin];
  return !changes.some(
    ({ path, taken }) =>
      taken !== 'kept' && [ITERATIONS, options].some((end) => end.every((key, i) => key === path[i])),
  );
}
