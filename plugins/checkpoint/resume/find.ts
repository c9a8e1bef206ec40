import { statSync } from 'node:fs';
import path from 'node:path';
import { newestRun } from '../../runs/contract.js';
import { checkpointNames, isCheckpointName, readFound } from '../stored/find.js';
import { resolveFrom } from '../../../core/paths.js';
import type { LoadedCheckpoint } from '../../../core/index.js';
import {
  defaultRunFolder,
  withPlace,
  valueAt,
  type ComposedConfig,
  type FoundPlugin,
  type StartOptions,
} from '../../../core/runs.js';
import { foreignEntry } from '../run-folder/run-files.js';

/** Who asks to resume, and who hears about it. */
export interface ResumeRequest extends StartOptions {
  /** Folder that paths are relative to. */
  readonly cwd: string;
  /** Plugins that are given as classes, by name. */
  readonly classes?: ReadonlyMap<string, FoundPlugin> | undefined;
  readonly say: (level: 'info' | 'warn', line: string) => void;
}

/** The checkpoint to resume from, and the folder of the run that resumes. */
export interface ResumePoint {
  readonly checkpoint: LoadedCheckpoint;
  /** Absolute; undefined: the config's. */
  readonly folder: string | undefined;
  /** The checkpoint was copied out of its run: the run that resumes from it has a folder of its own. */
  readonly isAlone: boolean;
  /** Whether the same would be chosen now: another process may have trained there since. */
  readonly isNewest: () => Promise<boolean>;
}

type Chosen = Pick<ResumePoint, 'checkpoint' | 'isNewest'>;

/**
 * The checkpoint that a run resumes from, by `--resume`, `init: resume` or `resume: auto | PATH`; undefined where it
 * starts anew.
 * @throws UsageError when one is asked for and there is none
 */
export async function findResumePoint(
  composed: ComposedConfig,
  request: ResumeRequest,
): Promise<ResumePoint | undefined> {
  const { cwd, say } = request;
  const resume = request.resume === false ? undefined : request.resume;
  const log = (line: string): void => {
    say('warn', line);
  };
  const read = async (from: string): Promise<Chosen> => {
    const seen = await contentsFor(from, cwd);
    const checkpoint = await readFound(from, cwd, { log });
    return { checkpoint, isNewest: async () => (await contentsFor(from, cwd)) === seen };
  };
  const own = ownFolder(composed);
  if (typeof resume === 'string') return pointOf(await read(resume), own, cwd);
  const { init, resume: setting } = composed.value;
  if (resume === true || init === 'resume') {
    const folder =
      own ??
      newestRun(cwd, (line) => {
        say('info', line);
      });
    const chosen = await read(folder);
    return { ...chosen, folder: own === undefined ? resolveFrom(cwd, folder) : undefined, isAlone: false };
  }
  if (typeof setting !== 'string' || setting === 'never') return undefined;
  const folder = own ?? defaultRunFolder('run');
  const started = (await checkpointNames(resolveFrom(cwd, folder, 'checkpoints'))).length > 0;
  if (started) return { ...(await read(folder)), folder: undefined, isAlone: false };
  if (setting === 'auto') return undefined;
  return { ...(await withPlace(['resume'], composed, () => read(setting))), folder: undefined, isAlone: false };
}

/** What the choice depends on: the checkpoints of a run, where it is not a checkpoint that is named. */
async function contentsFor(from: string, cwd: string): Promise<string> {
  const at = resolveFrom(cwd, from);
  const checkpoints =
    path.basename(path.dirname(at)) === 'checkpoints' ? path.dirname(at) : path.join(at, 'checkpoints');
  if (isCheckpointName(path.basename(at))) return '';
  const names = await checkpointNames(checkpoints);
  return names
    .map((name) => [name, statSync(path.join(checkpoints, name), { throwIfNoEntry: false })?.mtimeMs].join(' '))
    .join('\n');
}

/** The folder that the config names, by `run.dir` or `run.name`. */
function ownFolder(composed: ComposedConfig): string | undefined {
  const named = (key: string): string | undefined => {
    const { value, depth } = valueAt(composed.value, ['run', key]);
    return depth === 2 && typeof value === 'string' ? value : undefined;
  };
  const name = named('name');
  return named('dir') ?? (name === undefined ? undefined : defaultRunFolder(name));
}

/**
 * `runs/x/checkpoints/000250` is of the run in `runs/x`, where that is the folder of a run. Any other checkpoint is alone:
 * its run continues in the config's folder, else in `runs/NAME` of the run that it is of.
 */
async function pointOf(chosen: Chosen, own: string | undefined, cwd: string): Promise<ResumePoint> {
  const { checkpoint } = chosen;
  const checkpoints = path.dirname(checkpoint.path);
  const above = path.dirname(checkpoints);
  const isInRun =
    path.basename(checkpoints) === 'checkpoints' &&
    isCheckpointName(path.basename(checkpoint.path)) &&
    (await foreignEntry(above)) === undefined;
  if (isInRun) return { ...chosen, folder: above, isAlone: false };
  const { value } = valueAt(checkpoint.state.config, ['run', 'name']);
  const folder = own ?? defaultRunFolder(typeof value === 'string' ? value : 'run');
  return { ...chosen, folder: resolveFrom(cwd, folder), isAlone: true };
}
