import { BroadcastChannel, getEnvironmentData, setEnvironmentData, threadId } from 'node:worker_threads';

/** A piece of work that a worker thread did. */
export interface ThreadSpan {
  /** What the thread is for: `prefetch`, `checkpoint writer`, … */
  readonly thread: string;
  readonly threadId: number;
  readonly name: string;
  /** Milliseconds since 1970, with their fractions: all threads have that clock in common. */
  readonly from: number;
  readonly to: number;
}

const CHANNEL = 'espalier/thread-spans';
/** How many listen, in memory that this process's threads share: threads inherit it when they start. */
const listeners = sharedCount();
let channel: BroadcastChannel | undefined;

/** In a worker thread: does the work, and tells whoever listens in the main thread how long it took. */
export function measureInThread<T>(thread: string, name: string, work: () => T): T {
  if (Atomics.load(listeners, 0) === 0) return work();
  const from = now();
  const tell = (): void => {
    const span: ThreadSpan = { thread, threadId, name, from, to: now() };
    channel ??= openChannel();
    channel.postMessage(span);
  };
  const result = work();
  if (result instanceof Promise) result.then(tell, tell);
  else tell();
  return result;
}

/** Hears of what the threads of this process do from now on; returns what ends it. */
export function listenToThreads(hear: (span: ThreadSpan) => void): () => void {
  const heard = openChannel();
  heard.onmessage = (message): void => {
    hear((message as { data: ThreadSpan }).data);
  };
  Atomics.add(listeners, 0, 1);
  return () => {
    Atomics.sub(listeners, 0, 1);
    heard.close();
  };
}

/** The same clock as a span's, in any thread. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/** It keeps no process, and no thread, alive. */
function openChannel(): BroadcastChannel {
  const opened = new BroadcastChannel(CHANNEL);
  opened.unref();
  return opened;
}

function sharedCount(): Int32Array {
  const inherited = getEnvironmentData(CHANNEL);
  if (inherited instanceof Int32Array) return inherited;
  const count = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  setEnvironmentData(CHANNEL, count);
  return count;
}
