import { cpSync, existsSync, readdirSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import path from 'node:path';
import { holdsRun } from './resumed-file.js';

const ID_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 8;

/** An id as the Python client makes them: no two runs have the same, and nothing else hangs on it. */
export function newId(): string {
  return Array.from({ length: ID_LENGTH }, () => ID_LETTERS.charAt(randomInt(ID_LETTERS.length))).join('');
}

/** `20261125_013000`, local time. */
export function stampOf(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${String(time.getFullYear())}${two(time.getMonth() + 1)}${two(time.getDate())}`;
  return `${date}_${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`;
}

/** The folder of a run that starts: named as `wandb sync`, called without a path, looks for it. */
export function newRunFolder(wandbFolder: string, id: string, start: Date): string {
  return path.join(wandbFolder, `offline-run-${stampOf(start)}-${id}`);
}

/** The run file in a run's folder. */
export function runFileIn(folder: string, id: string): string {
  return path.join(folder, `run-${id}.wandb`);
}

/** Beside a run file that is uploaded whole: `wandb sync` passes over it then. */
export function markerOf(runFile: string): string {
  return `${runFile}.synced`;
}

/**
 * The newest folder of a run whose file can be gone on with. One that lies in the folder of the run that the
 * checkpoint is of, and not in this one's, is copied.
 */
export function findRunFolder(id: string, wandbFolder: string, elsewhere: string): string | undefined {
  const here = newestIn(wandbFolder, id);
  if (here !== undefined || elsewhere === wandbFolder) return here;
  const there = newestIn(elsewhere, id);
  if (there === undefined) return undefined;
  const copy = path.join(wandbFolder, path.basename(there));
  cpSync(there, copy, { recursive: true });
  return copy;
}

function newestIn(wandbFolder: string, id: string): string | undefined {
  if (!existsSync(wandbFolder)) return undefined;
  return readdirSync(wandbFolder)
    .filter((name) => name.startsWith('offline-run-') && name.endsWith(`-${id}`))
    .map((name) => path.join(wandbFolder, name))
    .filter((folder) => existsSync(runFileIn(folder, id)) && holdsRun(runFileIn(folder, id)))
    .sort()
    .at(-1);
}
