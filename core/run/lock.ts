import { execFileSync } from 'node:child_process';
import { linkSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { UsageError } from '../errors.js';

/** How often the owner touches its lock, and after how long without that a lock of another machine is dead. */
const TOUCH_MS = 10_000;
const DEAD_AFTER_MS = 120_000;

const ownerSchema = z.object({ pid: z.int(), started: z.string(), host: z.string() });
type Owner = z.output<typeof ownerSchema>;

/**
 * Claims a folder for this process with a file `lock`, which appears with its content or not at all.
 * A lock names its process by id and start time: one whose process is gone is taken over at once, so that SIGKILL
 * leaves none behind. On another machine (a shared disk) it counts as dead when it was not touched for two minutes.
 * @returns what gives the folder back
 * @throws UsageError naming the process that has it
 */
export function lockFolder(folder: string): () => void {
  const file = path.join(folder, 'lock');
  const mine = `${file}.${String(process.pid)}`;
  const owner: Owner = { pid: process.pid, started: startOf(process.pid) ?? '', host: hostname() };
  writeFileSync(mine, JSON.stringify(owner));
  try {
    while (!linked(mine, file)) {
      const other = ownerOf(file);
      if (other !== undefined && isAlive(other, statSync(mine).mtimeMs - statSync(file).mtimeMs)) {
        throw inUse(folder, other);
      }
      rmSync(file, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
  const touching = setInterval(() => {
    touch(file);
  }, TOUCH_MS).unref();
  return () => {
    clearInterval(touching);
    if (ownerOf(file)?.pid === process.pid) rmSync(file, { force: true });
  };
}

/** Whether a living process has claimed the folder. */
export function isInUse(folder: string): boolean {
  return livingOwner(folder) !== undefined;
}

/** @throws UsageError as `lockFolder` does, when a living process has claimed the folder */
export function refuseInUse(folder: string): void {
  const owner = livingOwner(folder);
  if (owner !== undefined) throw inUse(folder, owner);
}

function livingOwner(folder: string): Owner | undefined {
  const file = path.join(folder, 'lock');
  const owner = ownerOf(file);
  const touched = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  if (owner === undefined || touched === undefined) return undefined;
  return isAlive(owner, Date.now() - touched) ? owner : undefined;
}

function inUse(folder: string, { pid, host }: Owner): UsageError {
  return new UsageError(
    'ESP_RUN_FOLDER_LOCKED',
    `${folder} is in use by process ${String(pid)} on ${host}; wait for it, or name another folder with --set run.name=NAME`,
  );
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST') return false;
    throw thrown;
  }
}

/** Undefined where the lock is gone, or is none of ours. */
function ownerOf(file: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

function isAlive({ pid, started, host }: Owner, untouchedMs: number): boolean {
  return host === hostname() ? startOf(pid) === started : untouchedMs < DEAD_AFTER_MS;
}

/** When a process started, in the system's own words; undefined where there is none of that id. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux')
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)])
        .toString()
        .trim();
    // The name, in brackets, may hold anything; the start is the 20th field after it, and 'Z' a zombie.
    const fields =
      readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
        .split(') ')
        .at(-1)
        ?.split(' ') ?? [];
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function touch(file: string): void {
  try {
    const now = new Date();
    utimesSync(file, now, now);
  } catch {
    // The next touch may succeed: a lock that cannot be touched must not end a run.
  }
}
