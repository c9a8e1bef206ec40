import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { UsageError } from '../../../core/errors.js';
import { isOfThisSystem, isRunning, ownerIn, thisOwner, type Owner } from './owner.js';
import { takeOsLock } from './os-lock.js';

/** The lock file, which names the owner of the folder. */
export const LOCK = 'lock';
/** Created while taking over the lock file of a dead owner, on file systems without locks. */
const TAKEOVER = 'lock.takeover';

/** Several beats of `beat.ts`; earlier versions had one every ten seconds. */
const WATCH_MS = 30_000;
const LOOK_MS = 1000;
/** An owner not seen for this long is dead, however much the clocks differ. */
const LONG_DEAD_MS = 3_600_000;
/** A dashboard, for example, holds the lock briefly to test it: try again after this time. */
const GLANCE_MS = 50;
const GLANCES = 4;

export interface LockOptions {
  /** Code of the error when the folder is in use; `ESP_RUN_FOLDER_LOCKED` when not given. */
  readonly code?: string;
  /** Called with a line when it has to wait. */
  readonly say?: (line: string) => void;
  /** Advice for a folder in use; completes "wait for it, …". */
  readonly advice?: string;
  /** Milliseconds to watch the lock of another machine; default: several beats of its owner. */
  readonly watch?: number;
}

/**
 * Claims a folder for this process. Takes an operating-system lock, which ends with its owner, on a file `lock` that
 * names the owner. That lock is enough among processes of one machine, even in different containers. A lock file left
 * by another machine, or on a file system without locks, is watched for half a minute, since a living owner updates it
 * every few seconds. Clocks are not compared.
 * @returns a function that releases the folder
 * @throws UsageError (`ESP_RUN_FOLDER_LOCKED`) naming the process that holds it
 */
export async function lockFolder(folder: string, options: LockOptions = {}): Promise<() => void> {
  const file = path.join(folder, LOCK);
  for (let glance = 0; ; glance++) {
    const lock = await takeOsLock(file, true);
    if (lock.state === 'unsupported') return lockByFile(folder, options);
    if (lock.state === 'held') return keepOsLock(folder, lock.descriptor, options);
    if (glance === GLANCES) throw inUse(folder, ownerOf(file), options);
    await pause(GLANCE_MS);
  }
}

/** Returns whether a living process has claimed the folder. */
export async function isInUse(folder: string): Promise<boolean> {
  const file = path.join(folder, LOCK);
  if (!existsSync(file)) return false;
  try {
    const lock = await takeOsLock(file, false);
    if (lock.state === 'taken') return true;
    const owner = ownerOf(file);
    const isOurs = owner !== undefined && lock.state === 'held' && owner.os && isOfThisSystem(owner);
    if (lock.state === 'held') closeSync(lock.descriptor);
    if (owner === undefined || isOurs) return false;
    return isRunning(owner) ?? Math.abs(Date.now() - timeOf(file)) < WATCH_MS;
  } catch {
    return false;
  }
}

/** @throws UsageError as `lockFolder` does, when a living process has claimed the folder */
export async function refuseInUse(folder: string, options: LockOptions = {}): Promise<void> {
  if (await isInUse(folder)) throw inUse(folder, ownerOf(path.join(folder, LOCK)), options);
}

async function keepOsLock(folder: string, descriptor: number, options: LockOptions): Promise<() => void> {
  const file = path.join(folder, LOCK);
  try {
    const other = ownerOf(file, descriptor);
    const died = other === undefined || (other.os && isOfThisSystem(other));
    if (!died && (isRunning(other) ?? !(await isDead(file, other, options)))) throw inUse(folder, other, options);
    ftruncateSync(descriptor, 0);
    writeSync(descriptor, JSON.stringify(thisOwner(true)), 0);
  } catch (thrown) {
    closeSync(descriptor);
    throw thrown;
  }
  const beat = process.platform === 'win32' ? undefined : beating(file);
  return () => {
    void beat?.terminate();
    // Delete the file while the lock is held, except on Windows, which cannot delete an open file.
    if (process.platform !== 'win32') remove(file);
    closeSync(descriptor);
    if (process.platform === 'win32') remove(file);
  };
}

/** For file systems without locks: creating the file, which is atomic, is the lock. */
async function lockByFile(folder: string, options: LockOptions): Promise<() => void> {
  const file = path.join(folder, LOCK);
  const me = thisOwner(false);
  if (!created(file, me)) {
    const other = ownerOf(file);
    const lives = (other === undefined ? undefined : isRunning(other)) ?? !(await isDead(file, other, options));
    if (lives) throw inUse(folder, other, options);
    takeOver(folder, other, me, options);
  }
  options.say?.(
    `${folder}: this file system does not support locks; the file ${LOCK} keeps other processes out, and stays in effect for ${String(WATCH_MS / 1000)} s if this process is killed`,
  );
  const beat = beating(file);
  return () => {
    void beat.terminate();
    if (ownerOf(file)?.id === me.id) remove(file);
  };
}

/** Takes over a dead owner's lock. Only the process that creates the guard file may replace the lock file. */
function takeOver(folder: string, dead: Owner | undefined, me: Owner, options: LockOptions): void {
  const guard = path.join(folder, TAKEOVER);
  if (!created(guard, me)) {
    throw new UsageError(
      options.code ?? 'ESP_RUN_FOLDER_LOCKED',
      `another process is taking over ${folder}; if there is none, one was killed meanwhile: delete ${guard}`,
    );
  }
  try {
    const file = path.join(folder, LOCK);
    const now = ownerOf(file);
    if (now?.id !== dead?.id || now?.started !== dead?.started) throw inUse(folder, now, options);
    remove(file);
    if (!created(file, me)) throw inUse(folder, ownerOf(file), options);
  } finally {
    remove(guard);
  }
}

/** Watches the lock of an owner on another machine: a living owner writes to it. */
async function isDead(
  file: string,
  owner: Owner | undefined,
  { say, watch = WATCH_MS }: LockOptions,
): Promise<boolean> {
  const before = timeOf(file);
  if (Date.now() - before > LONG_DEAD_MS) return true;
  say?.(
    `${file} belongs to ${nameOf(owner)}: waiting up to ${String(watch / 1000)} s to see whether it is still alive (if it is not, delete the file to skip the wait)`,
  );
  for (let waited = 0; waited < watch; waited += LOOK_MS) {
    await pause(LOOK_MS);
    if (!existsSync(file)) return true;
    if (timeOf(file) !== before) return false;
  }
  return true;
}

function inUse(folder: string, owner: Owner | undefined, { advice, code }: LockOptions): UsageError {
  const file = path.join(folder, LOCK);
  const away =
    owner === undefined || isOfThisSystem(owner)
      ? ''
      : ` (it was alive within the last ${String(WATCH_MS / 1000)} s; once it has ended, the folder is free after ${String(WATCH_MS / 1000)} s, or when you delete ${file})`;
  return new UsageError(
    code ?? 'ESP_RUN_FOLDER_LOCKED',
    `${folder} is in use by ${nameOf(owner)}${away}; wait for it, ${advice ?? 'or choose another folder with --set run.name=NAME'}`,
  );
}

function nameOf(owner: Owner | undefined): string {
  if (owner === undefined) return 'another process';
  const since = owner.since === undefined ? '' : `, since ${owner.since}`;
  return `process ${String(owner.pid)} on ${owner.host}${since}`;
}

/** Starts the thread that shows that the owner is alive: a training step may block the main thread for minutes. */
function beating(file: string): Worker {
  const worker = new Worker(new URL('./beat.js', import.meta.url), { workerData: file });
  worker.on('error', () => undefined);
  worker.unref();
  return worker;
}

/** Returns the file's modification time. Opens it first, which makes an NFS client ask the server. */
function timeOf(file: string): number {
  try {
    closeSync(openSync(file, 'r'));
  } catch {
    // Even if it cannot be read, its time may be known.
  }
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function ownerOf(file: string, descriptor?: number): Owner | undefined {
  try {
    return ownerIn(readFileSync(descriptor ?? file, 'utf8'));
  } catch {
    return undefined;
  }
}

function created(file: string, owner: Owner): boolean {
  try {
    const descriptor = openSync(file, 'wx');
    try {
      writeSync(descriptor, JSON.stringify(owner));
    } finally {
      closeSync(descriptor);
    }
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST') return false;
    throw thrown;
  }
}

function remove(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // The next process then treats it as the lock of a dead owner.
  }
}
