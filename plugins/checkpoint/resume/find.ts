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

/** A request to resume, and where to log. */
export interface ResumeRequest extends StartOptions {
  /** Folder that paths are relative to. */
  readonly cwd: string;
  /** Plugins given as classes, by name. */
  readonly classes?: ReadonlyMap<string, FoundPlugin> | undefined;
  readonly say: (level: 'info' | 'warn', line: string) => void;
}

/** The checkpoint to resume from, and the folder of the run that resumes. */
export interface ResumePoint {
  readonly checkpoint: LoadedCheckpoint;
  /** Absolute path; undefined: the config's folder. */
  readonly folder: string | undefined;
  /** Whether the checkpoint is outside a run folder: the run that resumes from it has a folder of its own. */
  readonly isAlone: boolean;
  /** Returns whether the same checkpoint would be chosen now: another process may have trained there since. */
  readonly isNewest: () => Promise<boolean>;
}

type Chosen = Pick<ResumePoint, 'checkpoint' | 'isNewest'>;

/**
 * Reads the checkpoint that a run resumes from, by `--resume`, `init: resume` or `resume: auto | PATH`.
 * @returns undefined if the run starts from scratch
 * @throws UsageError when a checkpoint is asked for and there is none
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

/** Returns what the choice depends on: the checkpoints of a run, or nothing if a checkpoint is named. */
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

/** Returns the folder that the config sets with `run.dir` or `run.name`. */
function ownFolder(composed: ComposedConfig): string | undefined {
  const named = (key: string): string | undefined => {
    const { value, depth } = valueAt(composed.value, ['run', key]);
    return depth === 2 && typeof value === 'string' ? value : undefined;
  };
  const name = named('name');
  return named('dir') ?? (name === undefined ? undefined : defaultRunFolder(name));
}

/**
 * Decides which folder the run continues in. `runs/x/checkpoints/000250` continues in `runs/x`, if that is a run
 * folder. For any other checkpoint it is the config's folder, else `runs/NAME` with the name of the run that saved it.
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
