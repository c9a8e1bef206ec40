import path from 'node:path';
import { checkpointAt, checkpointNames, findCheckpoint } from '../checkpoint/find.js';
import { readCheckpoint } from '../checkpoint/read.js';
import { valueAt, type ComposedConfig } from '../config/composed.js';
import { toldAt } from '../config/validate.js';
import type { LoadedCheckpoint } from '../contracts/checkpoint-store.js';
import { defaultRunFolder } from '../run/folder.js';

/** What a command asks for. */
export interface ResumeRequest {
  readonly cwd: string;
  /** `--resume`: true, or the folder of a run or a checkpoint. */
  readonly resume: boolean | string | undefined;
  /** The newest run there is, where the config names none. */
  readonly newest: () => string;
  readonly log: (line: string) => void;
}

/** What to go on from, and the folder to go on in (undefined: the config's). */
export interface ResumePoint {
  readonly checkpoint: LoadedCheckpoint;
  readonly folder: string | undefined;
}

/**
 * The checkpoint that a run goes on from, by `--resume`, `init: resume` or `resume: auto | PATH`; undefined where it
 * starts anew.
 * @throws UsageError when one is asked for and there is none
 */
export async function findResumePoint(
  composed: ComposedConfig,
  request: ResumeRequest,
): Promise<ResumePoint | undefined> {
  const { resume, cwd, log } = request;
  const read = async (from: string): Promise<LoadedCheckpoint> => readCheckpoint(await findCheckpoint(from, cwd, log));
  if (typeof resume === 'string') return { checkpoint: await read(resume), folder: runFolderOf(resume, cwd) };
  const { init, resume: setting } = composed.value;
  const own = ownFolder(composed);
  if (resume === true || init === 'resume') {
    const folder = own ?? request.newest();
    return { checkpoint: await read(folder), folder: own === undefined ? path.resolve(cwd, folder) : undefined };
  }
  if (typeof setting !== 'string' || setting === 'never') return undefined;
  const folder = own ?? defaultRunFolder('run');
  const started = (await checkpointNames(path.resolve(cwd, folder, 'checkpoints'))).length > 0;
  if (started) return { checkpoint: await read(folder), folder: undefined };
  if (setting === 'auto') return undefined;
  return { checkpoint: await toldAt(['resume'], composed, () => read(setting)), folder: undefined };
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

/** `runs/x` of `runs/x`, of `runs/x/checkpoints/000250` and of `runs/x/checkpoints/best`. */
function runFolderOf(given: string, cwd: string): string {
  const checkpoint = checkpointAt(given, cwd);
  return checkpoint === undefined ? path.resolve(cwd, given) : path.dirname(path.dirname(checkpoint));
}
