import type { ThreadSpan } from '../threads/thread-spans.js';
import type { TraceFile } from './file.js';

/** Number of the main thread; workers follow. Perfetto takes 0 for the idle task. */
const MAIN = 1;

interface OpenSpan {
  readonly category: string;
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Start, in nanoseconds. */
  readonly from: number;
}

/**
 * Writes spans to a trace, with a track per thread. Spans of a track must nest: one that ends out of order, such as
 * work in the background, gets a track of its own.
 */
export class Spans {
  readonly #open: OpenSpan[] = [];
  readonly #threads = new Set<number>();
  #apart = 0;

  constructor(private readonly file: TraceFile) {
    file.add({ name: 'process_name', ph: 'M', tid: MAIN, args: { name: 'espalier train' } });
    this.#nameThread(MAIN, 'main');
  }

  begin(category: string, name: string, args: Readonly<Record<string, unknown>> = {}): void {
    this.#open.push({ category, name, args, from: nanoseconds(performance.now()) });
  }

  /** Ends the newest open span of that name; does nothing if it began before the trace. */
  end(category: string, name: string): void {
    const at = this.#open.findLastIndex((span) => span.name === name && span.category === category);
    const span = this.#open[at];
    if (span === undefined) return;
    const inTurn = at === this.#open.length - 1;
    this.#open.splice(at, 1);
    if (inTurn) this.#write(span, nanoseconds(performance.now()), MAIN);
    else this.#writeApart(span);
  }

  /** Adds a span of a worker thread. */
  thread({ thread, threadId, name, from, to }: ThreadSpan): void {
    const tid = MAIN + threadId;
    this.#nameThread(tid, `${thread} (worker ${String(threadId)})`);
    const start = nanoseconds(from - performance.timeOrigin);
    this.#write({ category: 'worker', name, args: {}, from: start }, nanoseconds(to - performance.timeOrigin), tid);
  }

  /** Ends all open spans, innermost first. */
  endAll(): void {
    for (const { category, name } of [...this.#open].reverse()) this.end(category, name);
  }

  #write({ category, name, args, from }: OpenSpan, to: number, tid: number): void {
    const times = { ts: microseconds(from), dur: microseconds(to - from) };
    this.file.add({ name, cat: category, ph: 'X', ...times, tid, args });
  }

  #writeApart({ category, name, args, from }: OpenSpan): void {
    const id = ++this.#apart;
    this.file.add({ name, cat: category, ph: 'b', ts: microseconds(from), tid: MAIN, id, args });
    this.file.add({ name, cat: category, ph: 'e', ts: microseconds(nanoseconds(performance.now())), tid: MAIN, id });
  }

  #nameThread(tid: number, name: string): void {
    if (this.#threads.has(tid)) return;
    this.#threads.add(tid);
    this.file.add({ name: 'thread_name', ph: 'M', tid, args: { name } });
  }
}

/** Rounds to whole nanoseconds, so that rounding errors cannot make an inner span end after its outer one. */
function nanoseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e6);
}

function microseconds(whole: number): number {
  return whole / 1000;
}
