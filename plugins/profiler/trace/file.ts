import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { messageOf } from '../../../core/index.js';

/** Flushed when this much has come together. */
const FLUSH_CHARACTERS = 1 << 20;
const HEAD = '{"displayTimeUnit":"ms","traceEvents":[\n';
const TAIL = '\n]}\n';

/** An entry of `traceEvents`. */
export interface TraceEvent {
  readonly name: string;
  /** `X`: a span; `b` and `e`: begin and end of one that is not nested in others; `M`: a fact of a process or thread. */
  readonly ph: 'X' | 'b' | 'e' | 'M';
  readonly cat?: string;
  /** Microseconds. */
  readonly ts?: number;
  readonly dur?: number;
  readonly tid: number;
  readonly id?: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

/**
 * A file in the JSON trace event format (Google, "Trace Event Format", 2016). Each flush writes the end of the file
 * anew behind what it adds: it is valid JSON after every one, whatever then becomes of the process.
 */
export class TraceFile {
  readonly #descriptor: number;
  #waiting = '';
  /** Where the end of the file begins. */
  #position = HEAD.length;
  #events = 0;
  #failure: string | undefined;
  #open = true;

  /**
   * Replaces a file that is there.
   * @param maxBytes what comes when it is as large is left out
   * @throws Error of the file system
   */
  constructor(
    path: string,
    private readonly maxBytes: number,
  ) {
    this.#descriptor = openSync(path, 'w');
    writeSync(this.#descriptor, HEAD + TAIL, 0);
  }

  get bytes(): number {
    return this.#position + TAIL.length;
  }

  /** Why it could not be written any more; nothing is added afterwards. */
  get failure(): string | undefined {
    return this.#failure;
  }

  add(event: TraceEvent): void {
    if (!this.#open || this.#failure !== undefined || this.bytes >= this.maxBytes) return;
    this.#waiting += `${this.#events++ === 0 ? '' : ',\n'}${JSON.stringify({ pid: process.pid, ...event })}`;
    if (this.#waiting.length > FLUSH_CHARACTERS) this.flush();
  }

  flush(): void {
    if (this.#waiting === '') return;
    const added = Buffer.from(this.#waiting, 'utf8');
    this.#waiting = '';
    const whole = Buffer.concat([added, Buffer.from(TAIL)]);
    try {
      for (let done = 0; done < whole.length;) {
        done += writeSync(this.#descriptor, whole, done, whole.length - done, this.#position + done);
      }
      this.#position += added.length;
    } catch (thrown) {
      this.#failure = messageOf(thrown);
      this.#mend();
    }
  }

  /** Flushes it and lets it go. */
  close(): void {
    if (!this.#open) return;
    this.flush();
    this.#open = false;
    closeSync(this.#descriptor);
  }

  /** What was written in part is taken away again. */
  #mend(): void {
    try {
      ftruncateSync(this.#descriptor, this.#position);
      writeSync(this.#descriptor, TAIL, this.#position);
    } catch {
      // The first failure is the one that is told of.
    }
  }
}
