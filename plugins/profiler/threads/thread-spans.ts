import { BroadcastChannel, getEnvironmentData, setEnvironmentData, threadId } from 'node:worker_threads';

/** A piece of work done by a worker thread. */
export interface ThreadSpan {
  /** Purpose of the thread: `prefetch`, `checkpoint writer`, … */
  readonly thread: string;
  readonly threadId: number;
  readonly name: string;
  /** Milliseconds since 1970, with fractions; all threads share this clock. */
  readonly from: number;
  readonly to: number;
}

const CHANNEL = 'espalier/thread-spans';
/** Number of listeners, in memory shared by all threads of this process, which inherit it when they start. */
const listeners = sharedCount();
let channel: BroadcastChannel | undefined;

/** Does work in a worker thread, and reports its duration to listeners in the main thread. */
export function measureInThread<T>(thread: string, name: string, work: () => T): T {
  if (Atomics.load(listeners, 0) === 0) return work();
  const from = now();
  const report = (): void => {
    const span: ThreadSpan = { thread, threadId, name, from, to: now() };
    channel ??= openChannel();
    channel.postMessage(span);
  };
  const result = work();
  if (result instanceof Promise) result.then(report, report);
  else report();
  return result;
}

/** Calls back for each span of this process's threads. @returns a function that stops listening */
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

/** Returns the current time by the clock of spans. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Opens the channel without keeping the process or thread alive. */
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
