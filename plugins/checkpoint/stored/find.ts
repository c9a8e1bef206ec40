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

/** Files next to a run's checkpoints that name one of them. */
export const pointers = ['latest', 'best'] as const;

/**
 * Finds the checkpoint for a path: the path itself if it is a checkpoint, the one that `checkpoints/best` or `latest`
 * names, or the newest undamaged one of the run in that folder, including emergency checkpoints.
 * @param log called with a line for each damaged checkpoint that is skipped
 * @throws UsageError when there is none; if all are damaged, with the newest one's error and the list of all tried
 */
export async function findCheckpoint(
  from: string,
  cwd: string,
  log: (line: string) => void = () => undefined,
): Promise<string> {
  return checkpointAt(from, cwd) ?? (await newestWhole(from, { cwd, log }, verifyCheckpoint)).folder;
}

/** Reads the checkpoint that `findCheckpoint` finds, verifying it at the same time. */
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

/** @param open throws for a checkpoint to skip */
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
 * Returns the folder of a run's best checkpoint.
 * @throws UsageError when the run has none, or the path is a checkpoint
 */
export function findBest(from: string, cwd: string): string {
  if (checkpointAt(from, cwd) !== undefined) {
    throw new UsageError(
      'ESP_USAGE',
      `--best takes the best checkpoint of a run, and ${from} is a checkpoint: give the run, or remove --best`,
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
 * Returns the folder of the checkpoint that a path is, or that the file `latest` or `best` at the path names; undefined
 * for other paths.
 * @throws UsageError when the named checkpoint no longer exists
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

/** Returns the checkpoint that `latest` or `best` names; undefined if the file is missing or does not name one. */
export function pointedAt(checkpoints: string, pointer: (typeof pointers)[number]): string | undefined {
  try {
    const name = readFileSync(path.join(checkpoints, pointer), 'utf8').trim();
    return CHECKPOINT_NAME.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

/** Makes the error for a path that is neither a run nor a checkpoint; suggests a run nearby. */
export function noCheckpoint(from: string, cwd: string): UsageError {
  const folder = resolveFrom(cwd, from);
  const above = path.dirname(folder);
  const run = [above, path.dirname(above), ...foldersIn(folder)].find(
    (near) => foldersIn(path.join(near, 'checkpoints')).length > 0,
  );
  const advice =
    run === undefined
      ? 'give the folder of a run (runs/NAME) or of a checkpoint'
      : `did you mean the run ${path.relative(cwd, run) || '.'}?`;
  const what = existsSync(folder) ? 'has no checkpoint' : 'does not exist';
  return new UsageError('ESP_CHECKPOINT_NOT_FOUND', `${from} ${what}; ${advice}`);
}

/**
 * Returns the folder names of a run's checkpoints, newest first. Of two at the same iteration the one written last
 * comes first: the emergency one if the run had rolled back to that iteration, else the regular one, which is written
 * after it. A `.replaced` checkpoint counts if its successor does not exist because the process was killed before the
 * rename.
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

/** Returns whether a name is one that checkpoints have. */
export function isCheckpointName(name: string): boolean {
  return CHECKPOINT_NAME.test(name) || REPLACED_NAME.test(name);
}

/** Returns whether a name is that of a checkpoint saved only because of a stop or a fault. */
export function isEmergency(name: string): boolean {
  return /-emergency(\.|$)/.test(name);
}

/** Returns the iterations done in a checkpoint, from its name: `000250`, `000251-emergency`. */
export function iterationOf(name: string): number {
  return parseInt(name, 10);
}
