import type { ThreadSpan } from '../threads/thread-spans.js';
import type { TraceFile } from './file.js';

/** The main thread's number; workers have theirs after it (0 is the idle task for Perfetto). */
const MAIN = 1;

interface OpenSpan {
  readonly category: string;
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Nanoseconds. */
  readonly from: number;
}

/**
 * Turns what begins and ends into the spans of a trace, each thread with a track. Spans of a track nest: one that ends
 * out of turn (it began in the background) gets a track of its own.
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

  /** Ends the newest of that name; one that began before the trace did is left out. */
  end(category: string, name: string): void {
    const at = this.#open.findLastIndex((span) => span.name === name && span.category === category);
    const span = this.#open[at];
    if (span === undefined) return;
    const inTurn = at === this.#open.length - 1;
    this.#open.splice(at, 1);
    if (inTurn) this.#write(span, nanoseconds(performance.now()), MAIN);
    else this.#writeApart(span);
  }

  /** What a worker thread did. */
  thread({ thread, threadId, name, from, to }: ThreadSpan): void {
    const tid = MAIN + threadId;
    this.#nameThread(tid, `${thread} (worker ${String(threadId)})`);
    const start = nanoseconds(from - performance.timeOrigin);
    this.#write({ category: 'worker', name, args: {}, from: start }, nanoseconds(to - performance.timeOrigin), tid);
  }

  /** Ends what is open, the innermost first. */
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

/** Whole ones: rounding keeps what began later from ending later. */
function nanoseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e6);
}

function microseconds(whole: number): number {
  return whole / 1000;
}
