import path from 'node:path';
import type { LoadedCheckpoint, RunFolder } from '../../../core/index.js';
import { isSection, type ComposedConfig, type ConfiguredPlugin } from '../../../core/runs.js';
import { withoutReplaced } from '../../configs/contract.js';
import { configChanges, tellChanges, withChanges } from './changes.js';
import { staysEnded } from './ending.js';
import { findResumePoint, type ResumeRequest } from './find.js';
import { storedConfig } from './stored-config.js';

/** What a run resumes from. */
export interface Resumption {
  readonly checkpoint: LoadedCheckpoint;
  /** The checkpoint's config, with what is given anew over it. */
  readonly composed: ComposedConfig;
  /** The checkpoint was copied out of its run: the run that resumes from it has a folder of its own. */
  readonly isAlone: boolean;
  /** Whether the checkpoint is one of this folder's. */
  isWithin(folder: RunFolder): boolean;
  /** Whether the same checkpoint would be chosen now: another process may have trained there since. */
  isNewest(): Promise<boolean>;
  /**
   * Reports how the config differs from the checkpoint's.
   * @param plugins of the run that was made from `composed`, with its folder
   * @returns whether a run that a plugin ended is trained no further
   * @throws UsageError naming a setting that may not change, and was not asked for by name
   */
  review(plugins: readonly ConfiguredPlugin[], folder: RunFolder): boolean;
}

/** What a run resumes from, with the config to resume with; undefined if it starts anew. @throws UsageError */
export async function findResumption(
  composed: ComposedConfig,
  request: ResumeRequest,
): Promise<Resumption | undefined> {
  const { cwd, override = [], say } = request;
  const point = await findResumePoint(composed, request);
  if (point === undefined) return undefined;
  const { checkpoint, folder, isAlone, isNewest } = point;
  const stored = storedConfig(checkpoint, cwd);
  const changes = configChanges(stored, checkpoint.state.given, composed, override).filter(
    ({ path: [first, second] }) => folder === undefined || first !== 'run' || second !== 'dir',
  );
  const merged = await withoutReplaced(withChanges(stored, checkpoint.path, composed, changes), request);
  const isWithin: Resumption['isWithin'] = ({ checkpoints }) => path.dirname(checkpoint.path) === checkpoints;
  // `resume: true`, or the checkpoint of another run, asks to train further.
  const isAutomatic = (request.resume ?? false) === false && composed.value['init'] !== 'resume';
  return {
    checkpoint,
    composed: folder === undefined ? merged : placedIn(merged, folder),
    isAlone,
    isWithin,
    isNewest,
    review(plugins, runFolder) {
      tellChanges(changes, plugins, say);
      return isAutomatic && isWithin(runFolder) && staysEnded(checkpoint, changes, plugins);
    },
  };
}

/** The run continues in the folder that was named, whatever it was called when the checkpoint was made. */
function placedIn(composed: ComposedConfig, folder: string): ComposedConfig {
  const { run } = composed.value;
  return { ...composed, value: { ...composed.value, run: { ...(isSection(run) ? run : {}), dir: folder } } };
}
