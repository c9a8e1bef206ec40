import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { UsageError, messageOf } from '../../../core/errors.js';
import { resolveFrom } from '../../../core/paths.js';
import type { LoadedCheckpoint } from '../../../core/index.js';
import { foldersIn } from '../../runs/contract.js';
import { REPLACED } from './files.js';
import { openCheckpoint, readCheckpoint, verifyCheckpoint, type ReadOptions } from './read.js';

const CHECKPOINT_NAME = /^\d+(-emergency)?$/;
const REPLACED_NAME = new RegExp(`^(\\d+(?:-emergency)?)\\${REPLACED}$`);

/** Files beside a run's checkpoints that hold the name of one. */
export const pointers = ['latest', 'best'] as const;

/**
 * The checkpoint to read for a path: the one that it is or, as `checkpoints/best`, names; else the newest whole one
 * of the run in that folder, emergency saves included.
 * @param log told of each damaged one that is passed over
 * @throws UsageError when there is none; where all are damaged, the newest one's error with the list of what was tried
 */
export async function findCheckpoint(
  from: string,
  cwd: string,
  log: (line: string) => void = () => undefined,
): Promise<string> {
  return checkpointAt(from, cwd) ?? (await newestWhole(from, { cwd, log }, verifyCheckpoint)).folder;
}

/** Reads the same checkpoint: each file once, to compare it and beside that for what it holds. */
export async function readFound(
  from: string,
  cwd: string,
  { log = () => undefined, ...options }: ReadOptions & { readonly log?: ((line: string) => void) | undefined } = {},
): Promise<LoadedCheckpoint> {
  const named = checkpointAt(from, cwd);
  if (named !== undefined) return readCheckpoint(named, options);
  const { opened } = await newestWhole(from, { cwd, log }, async (candidate) => {
    const { whole, content } = openCheckpoint(candidate, options);
    await whole;
    return content;
  });
  return opened();
}

/** @param open fails for a checkpoint that is passed over */
async function newestWhole<T>(
  from: string,
  { cwd, log }: { readonly cwd: string; readonly log: (line: string) => void },
  open: (candidate: string) => Promise<T>,
): Promise<{ folder: string; opened: T }> {
  const checkpoints = resolveFrom(cwd, from, 'checkpoints');
  const tried: { name: string; error: unknown }[] = [];
  for (const name of await checkpointNames(checkpoints)) {
    const folder = path.join(checkpoints, name);
    try {
      return { folder, opened: await open(folder) };
    } catch (error) {
      tried.push({ name, error });
      log(`${messageOf(error)} (skipped, not deleted)`);
    }
  }
  const [first] = tried;
  if (first === undefined) throw noCheckpoint(from, cwd);
  const all = tried.map(({ name }) => name).join(', ');
  throw new UsageError(
    first.error instanceof UsageError ? first.error.code : 'ESP_CHECKPOINT_DAMAGED',
    `${messageOf(first.error)}; no checkpoint in ${from} can be read (tried ${all})`,
    { cause: first.error },
  );
}

/**
 * The best checkpoint of a run.
 * @throws UsageError when the run has none, or the path is that of a checkpoint
 */
export function findBest(from: string, cwd: string): string {
  if (checkpointAt(from, cwd) !== undefined) {
    throw new UsageError(
      'ESP_USAGE',
      `--best takes the best checkpoint of a run, and ${from} is a checkpoint: name the run, or remove --best`,
    );
  }
  const checkpoints = path.join(from, 'checkpoints');
  if (!existsSync(resolveFrom(cwd, checkpoints))) throw noCheckpoint(from, cwd);
  const best = checkpointAt(path.join(checkpoints, 'best'), cwd);
  if (best !== undefined) return best;
  throw new UsageError(
    'ESP_CHECKPOINT_NOT_FOUND',
    `${from} has no best checkpoint: no evaluation has chosen one (plugins.evaluation, plugins.checkpoint.best and keep.best); without --best, the newest is used`,
  );
}

/**
 * The folder of the checkpoint that a path is, or that the file `latest` or `best` at it names; undefined for others.
 * @throws UsageError when the one that is named is gone
 */
export function checkpointAt(from: string, cwd: string): string | undefined {
  const at = resolveFrom(cwd, from);
  if (existsSync(path.join(at, 'manifest.json'))) return at;
  const pointer = pointers.find((each) => each === path.basename(at));
  const name = pointer === undefined ? undefined : pointedAt(path.dirname(at), pointer);
  if (name === undefined) return undefined;
  const folder = path.join(path.dirname(at), name);
  const found = [folder, `${folder}${REPLACED}`].find((each) => existsSync(each));
  if (found !== undefined) return found;
  throw new UsageError(
    'ESP_CHECKPOINT_NOT_FOUND',
    `${from} names checkpoint ${name}, which no longer exists; \`espalier checkpoint list\` shows those that do`,
  );
}

/** The checkpoint that a pointer beside it names; undefined where there is no such file, or it holds no name of one. */
export function pointedAt(checkpoints: string, pointer: (typeof pointers)[number]): string | undefined {
  try {
    const name = readFileSync(path.join(checkpoints, pointer), 'utf8').trim();
    return CHECKPOINT_NAME.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

/** The error of a path that is no run, nor a checkpoint, with the run that it lies in or that lies in it. */
export function noCheckpoint(from: string, cwd: string): UsageError {
  const folder = resolveFrom(cwd, from);
  const above = path.dirname(folder);
  const run = [above, path.dirname(above), ...foldersIn(folder)].find(
    (near) => foldersIn(path.join(near, 'checkpoints')).length > 0,
  );
  const advice =
    run === undefined
      ? 'name the folder of a run (runs/NAME) or of a checkpoint'
      : `did you mean the run ${path.relative(cwd, run) || '.'}?`;
  const what = existsSync(folder) ? '' : ', nor a folder or a file';
  return new UsageError('ESP_CHECKPOINT_NOT_FOUND', `${from}: no checkpoint found${what}; ${advice}`);
}

/**
 * Folders of a run's checkpoints, newest first. Of two of one iteration the one that was written last comes first: an
 * emergency save where the run had gone back to that iteration, else the one that was owed after it. One that was set
 * aside (`.replaced`) by a process killed before its successor had the name counts where that does not exist.
 */
export async function checkpointNames(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { withFileTypes: true });
  const latest = pointedAt(folder, 'latest');
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const counts = (name: string): boolean => {
    const replaced = REPLACED_NAME.exec(name)?.[1];
    return replaced === undefined ? CHECKPOINT_NAME.test(name) : !folders.includes(replaced);
  };
  return folders
    .filter(counts)
    .sort(
      (a, b) => iterationOf(b) - iterationOf(a) || Number(b === latest) - Number(a === latest) || a.length - b.length,
    );
}

/** Whether a checkpoint of a run is called like that. */
export function isCheckpointName(name: string): boolean {
  return CHECKPOINT_NAME.test(name) || REPLACED_NAME.test(name);
}

/** Only a stop or a fault asked for a checkpoint of that name. */
export function isEmergency(name: string): boolean {
  return /-emergency(\.|$)/.test(name);
}

/** Iterations done in a checkpoint of that name: `000250`, `000251-emergency`. */
export function iterationOf(name: string): number {
  return parseInt(name, 10);
}
