import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { readdirSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Resources of the process that some work has started and not released. */
export interface Held extends AsyncDisposable {
  /** Runs work and tracks the resources that it starts. */
  within<T>(work: () => Promise<T>): Promise<T>;
  /** Waits for what is ending, then describes the first resource that is left; undefined if nothing is. */
  left(): Promise<string | undefined>;
}

/** Kinds of resources that stay until they are released, by their names in Node's async hooks. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['Timeout', 'a timer'],
  ['FSEVENTWRAP', 'a file watcher'],
  ['STATWATCHER', 'a file watcher'],
  ['FILEHANDLE', 'an open file'],
  ['TCPSERVERWRAP', 'a server'],
  ['TCPWRAP', 'a connection'],
  ['PIPEWRAP', 'a pipe'],
  ['UDPWRAP', 'a socket'],
  ['PROCESSWRAP', 'a process'],
  ['WORKER', 'a worker thread'],
]);
/** Milliseconds to wait for resources that are ending, such as threads. */
const GRACE = 3000;
const POLL = 10;
/** Not a plugin's: system files, and code, since Node leaves open what a terminated thread was loading. */
const FOREIGN = /^\/(dev|proc|sys)\/|\.([cm]?js|node|wasm)$/;

/** Starts tracking resources. */
export function heldSince(): Held {
  const alive = new Map<number, string>();
  const within = new AsyncLocalStorage<true>();
  const hook = createHook({
    init(id, type) {
      const what = KINDS.get(type);
      if (what !== undefined && within.getStore() === true) alive.set(id, `${what}${madeAt()}`);
    },
    destroy(id) {
      alive.delete(id);
    },
  }).enable();
  const files = openFiles();
  const listeners = listenerCounts();
  const left = (): string | undefined => {
    const [resource] = alive.values();
    const [file] = [...openFiles()].filter((each) => !files.has(each));
    const grown = [...listenerCounts()].find(([event, count]) => count > (listeners.get(event) ?? 0));
    if (resource !== undefined) return resource;
    if (file !== undefined) return `the open file ${file.slice(file.indexOf(' ') + 1)}`;
    return grown === undefined ? undefined : `a listener of process.on('${grown[0]}')`;
  };
  return {
    within: (work) => within.run(true, work),
    async left() {
      for (let waited = 0; waited < GRACE && left() !== undefined; waited += POLL) await sleep(POLL);
      return left();
    },
    [Symbol.asyncDispose]: () => {
      hook.disable();
      return Promise.resolve();
    },
  };
}

/** Returns where a plugin's code made the resource, if the stack shows it. */
function madeAt(): string {
  const lines = (new Error().stack ?? '').split('\n').slice(1);
  const own = lines.find((line) => !line.includes('node:') && !line.includes('/testing/checks/held'));
  const place = /([^(\s]+:\d+):\d+\)?$/.exec(own ?? '')?.[1];
  return place === undefined ? '' : ` (made at ${place.replace('file://', '')})`;
}

/** Returns open descriptors with their paths; empty on systems without `/proc`. */
function openFiles(): Set<string> {
  const folder = '/proc/self/fd';
  const found = new Set<string>();
  try {
    for (const name of readdirSync(folder)) {
      const target = linkOf(path.join(folder, name));
      if (target?.startsWith('/') === true && !FOREIGN.test(target)) found.add(`${name} ${target}`);
    }
  } catch {
    return found;
  }
  return found;
}

/** Returns undefined if the descriptor has been closed since it was listed. */
function linkOf(file: string): string | undefined {
  try {
    return readlinkSync(file);
  } catch {
    return undefined;
  }
}

function listenerCounts(): Map<string, number> {
  return new Map(process.eventNames().map((event) => [String(event), process.listenerCount(event)]));
}
