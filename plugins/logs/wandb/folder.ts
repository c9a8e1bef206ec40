import { cpSync, existsSync, readdirSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import path from 'node:path';
import { holdsRun } from './resumed-file.js';

const ID_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 8;

/** Returns a random id in the form of the Python client's. */
export function newId(): string {
  return Array.from({ length: ID_LENGTH }, () => ID_LETTERS.charAt(randomInt(ID_LETTERS.length))).join('');
}

/** Formats a local time: `20261125_013000`. */
export function stampOf(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${String(time.getFullYear())}${two(time.getMonth() + 1)}${two(time.getDate())}`;
  return `${date}_${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`;
}

/** Returns the folder for a new run, named so that `wandb sync` finds it without a path. */
export function newRunFolder(wandbFolder: string, id: string, start: Date): string {
  return path.join(wandbFolder, `offline-run-${stampOf(start)}-${id}`);
}

/** Returns the path of the run file in a run's folder. */
export function runFileIn(folder: string, id: string): string {
  return path.join(folder, `run-${id}.wandb`);
}

/** Returns the path of the marker of a completely uploaded run file, which makes `wandb sync` skip it. */
export function markerOf(runFile: string): string {
  return `${runFile}.synced`;
}

/**
 * Finds the newest folder of a run whose file can be continued. If it is not in this run folder but in that of the
 * checkpoint's run, it is copied.
 * @param elsewhere the `wandb` folder of the checkpoint's run
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
