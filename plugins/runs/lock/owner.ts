import { readFileSync, readlinkSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';

const ownerSchema = z.object({
  pid: z.int(),
  host: z.string(),
  /** When the process started, in the system's format. */
  started: z.string(),
  /** Missing in lock files of earlier versions, which took no operating-system lock. */
  id: z.string().default(''),
  /** When the folder was claimed, by the owner's clock. */
  since: z.string().optional(),
  /** Ids of the running system and of the namespace of its process ids, if the system has them. */
  boot: z.string().default(''),
  pids: z.string().default(''),
  /** Whether the process holds an operating-system lock, which ends with it. */
  os: z.boolean().default(false),
});

/** The owner of a lock, as the file names it. */
export type Owner = z.output<typeof ownerSchema>;

/** Describes this process as an owner. */
export function thisOwner(os: boolean): Owner {
  return {
    pid: process.pid,
    host: hostname(),
    started: startOf(process.pid) ?? '',
    id: randomUUID(),
    since: new Date().toISOString(),
    boot: bootId(),
    pids: pidSpace(),
    os,
  };
}

/** Parses a lock file; undefined if it is empty or not valid. */
export function ownerIn(text: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/**
 * Returns whether the owner is on this running system, in a container or not; compares host names if there is no id.
 */
export function isOfThisSystem({ boot, host }: Owner): boolean {
  return boot === '' || bootId() === '' ? host === hostname() : boot === bootId();
}

/** Returns whether the owner's process is alive; undefined if its id belongs to another namespace. */
export function isRunning(owner: Owner): boolean | undefined {
  if (owner.boot === '' || owner.pids === '') return undefined;
  if (owner.boot !== bootId() || owner.pids !== pidSpace()) return undefined;
  return startOf(owner.pid) === owner.started;
}

function bootId(): string {
  return readOrEmpty(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
}

function pidSpace(): string {
  return readOrEmpty(() => readlinkSync('/proc/self/ns/pid'));
}

function readOrEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

/** Returns when a process started; undefined if it does not exist, or the system does not say. */
function startOf(pid: number): string | undefined {
  try {
    // The name, in brackets, may contain anything. The start time is the 20th field after it; state 'Z' is a zombie.
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
