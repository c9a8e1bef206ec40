import path from 'node:path';
import type { LoadedCheckpoint, RunFolder } from '../../../core/index.js';
import { isSection, type ComposedConfig, type ConfiguredPlugin } from '../../../core/runs.js';
import { withoutReplaced } from '../../configs/contract.js';
import { configChanges, reportChanges, withChanges } from './changes.js';
import { staysEnded } from './ending.js';
import { findResumePoint, type ResumeRequest } from './find.js';
import { storedConfig } from './stored-config.js';

/** What a run resumes from. */
export interface Resumption {
  readonly checkpoint: LoadedCheckpoint;
  /** The checkpoint's config with this start's changes. */
  readonly composed: ComposedConfig;
  /** Whether the checkpoint is outside a run folder: the run that resumes from it has a folder of its own. */
  readonly isAlone: boolean;
  /** Returns whether the checkpoint is in this run folder. */
  isWithin(folder: RunFolder): boolean;
  /** Returns whether the same checkpoint would be chosen now: another process may have trained there since. */
  isNewest(): Promise<boolean>;
  /**
   * Reports how the config differs from the checkpoint's.
   * @param plugins plugins of the run that was made from `composed`
   * @param folder folder of that run
   * @returns whether the run stays ended, because a plugin ended it
   * @throws UsageError naming a fixed key that was changed without `--override`
   */
  review(plugins: readonly ConfiguredPlugin[], folder: RunFolder): boolean;
}

/** Finds what a run resumes from; undefined if it starts from scratch. @throws UsageError */
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
  // `--resume`, `init: resume` and a checkpoint of another run all ask to train further.
  const isAutomatic = (request.resume ?? false) === false && composed.value['init'] !== 'resume';
  return {
    checkpoint,
    composed: folder === undefined ? merged : placedIn(merged, folder),
    isAlone,
    isWithin,
    isNewest,
    review(plugins, runFolder) {
      reportChanges(changes, plugins, say);
      return isAutomatic && isWithin(runFolder) && staysEnded(checkpoint, changes, plugins);
    },
  };
}

/** Sets the folder that the run continues in, whatever it was called when the checkpoint was saved. */
function placedIn(composed: ComposedConfig, folder: string): ComposedConfig {
  const { run } = composed.value;
  return { ...composed, value: { ...composed.value, run: { ...(isSection(run) ? run : {}), dir: folder } } };
}
