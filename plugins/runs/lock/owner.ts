import { readFileSync, readlinkSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';

const ownerSchema = z.object({
  pid: z.int(),
  host: z.string(),
  /** When the process started, in the system's own words. */
  started: z.string(),
  /** Missing in locks of earlier versions, which had no lock of the operating system. */
  id: z.string().default(''),
  /** When the folder was taken, by the owner's clock. */
  since: z.string().optional(),
  /** The running system, and the space that its process ids are of, where the system tells. */
  boot: z.string().default(''),
  pids: z.string().default(''),
  /** A lock of the operating system is held as long as the process lives. */
  os: z.boolean().default(false),
});

/** Who holds a lock, as the file says. */
export type Owner = z.output<typeof ownerSchema>;

/** This process as an owner. */
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

/** Undefined where there is no lock, or nothing that can be read as one. */
export function ownerIn(text: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Of one running system, container or not; by the host's name where it has no id. */
export function isOfThisSystem({ boot, host }: Owner): boolean {
  return boot === '' || bootId() === '' ? host === hostname() : boot === bootId();
}

/** Whether the owner's process lives; undefined where its id means nothing here. */
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

/** Undefined where there is no process of that id, or the system does not tell. */
function startOf(pid: number): string | undefined {
  try {
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
