import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { messageOf } from '../../../core/index.js';

/** Flush when this much is buffered. */
const FLUSH_CHARACTERS = 1 << 20;
const HEAD = '{"displayTimeUnit":"ms","traceEvents":[\n';
const TAIL = '\n]}\n';

/** An entry of `traceEvents`. */
export interface TraceEvent {
  readonly name: string;
  /** `X`: a span; `b` and `e`: begin and end of a span that is not nested; `M`: metadata of a process or thread. */
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
 * A file in the JSON trace event format (Google, "Trace Event Format", 2016). Each flush rewrites the end of the file
 * after the new events, so the file is valid JSON even if the process is killed afterwards.
 */
export class TraceFile {
  readonly #descriptor: number;
  #waiting = '';
  /** Position of the end of the JSON, which the next flush overwrites. */
  #position = HEAD.length;
  #events = 0;
  #failure: string | undefined;
  #open = true;

  /**
   * Creates or replaces a file.
   * @param maxBytes events are dropped once the file is this large
   * @throws the file system's error
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

  /** Why writing failed; nothing is added afterwards. */
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
      this.#restoreEnd();
    }
  }

  /** Flushes and closes the file. */
  close(): void {
    if (!this.#open) return;
    this.flush();
    this.#open = false;
    closeSync(this.#descriptor);
  }

  /** Removes a partial write, so that the file is valid JSON again. */
  #restoreEnd(): void {
    try {
      ftruncateSync(this.#descriptor, this.#position);
      writeSync(this.#descriptor, TAIL, this.#position);
    } catch {
      // The first failure is the one that is reported.
    }
  }
}
