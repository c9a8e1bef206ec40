import type { LoadedCheckpoint } from '../../../core/index.js';
import type { ConfiguredPlugin } from '../../../core/runs.js';
import type { ConfigChange } from './changes.js';

/** What ends a run: this many iterations, or a plugin. */
const ITERATIONS = ['train', 'max_iters'];

/**
 * Whether a run that a plugin ended is left alone when it is resumed: unless what would end it is changed, which is
 * `train.max_iters` or an option of that plugin.
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
