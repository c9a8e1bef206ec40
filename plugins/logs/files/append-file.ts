import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../../core/index.js';
import { makeFolder } from '../../files/contract.js';
import { endOfLines, type LastLine } from './last-line.js';

const { O_CREAT, O_RDWR } = constants;
const writeAt = promisify(write);
const DEFAULT_LIMIT = 4 * 2 ** 20;
/** Small appends are joined into writes of at least this size. */
const JOINED_BYTES = 64 * 2 ** 10;
/** Milliseconds that fewer bytes wait for more: waking a thread for every line would take time from training. */
const JOINED_FOR = 200;

export interface AppendFileOptions {
  /** Largest number of bytes to hold in memory, or one larger append; default 4 MiB. */
  readonly limit?: number;
  /** For a file of lines: what to do with a last line that an earlier process left unfinished; default: nothing. */
  readonly lastLine?: LastLine;
  /** Called with a line about the first write that fails, and at the end about what could not be written at all. */
  readonly onFailure: (line: string) => void;
}

/**
 * A file that a run appends to; every sink writes through it. `append` only buffers; a moment later the data is written
 * in the background, in order. The buffer is bounded: beyond the limit `append` itself waits for the disk rather than
 * drop anything. A failed write is tried again with the next append and nothing is thrown, since a full disk must not
 * end a run.
 *
 * Only one process may write the file. The first append creates it and its folder. It is never truncated, except for an
 * unfinished last line (`lastLine`).
 */
export class AppendFile {
  /** Buffers that are not known to be in the file yet, in order. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Position in the file of the first waiting buffer. */
  #position = 0;
  #lostBytes = 0;
  #descriptor: number | undefined;
  #isFirstOpen = true;
  #writing: Promise<void> | undefined;
  #start: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #hasReported = false;
  readonly #limit: number;

  constructor(
    /** Absolute path. */
    readonly path: string,
    private readonly options: AppendFileOptions,
  ) {
    this.#limit = options.limit ?? DEFAULT_LIMIT;
  }

  /**
   * Appends data. Bytes are not copied: do not change them afterwards.
   * @returns false if it was not accepted, because the file is closed, or writing fails and the limit is reached
   */
  append(data: string | Uint8Array): boolean {
    if (this.#closing !== undefined) return false;
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (bytes.length === 0) return true;
    if (this.#waitingBytes + bytes.length > this.#limit && !this.#writeNow()) {
      this.#lostBytes += bytes.length;
      return false;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= JOINED_BYTES) this.#writing ??= this.#writeWaiting();
    else if (this.#writing === undefined) this.#start ??= setTimeout(() => void this.flush(), JOINED_FOR);
    return true;
  }

  /** Resolves when everything appended has been passed to the system, or writing has failed. Never rejects. */
  async flush(): Promise<void> {
    await this.#writing;
    await (this.#writing ??= this.#writeWaiting());
  }

  /**
   * Lets other code change the file, e.g. remove lines, after everything appended is in it. Later appends go to its new
   * end. A change that throws is reported like a failed write.
   */
  async revise(change: (path: string) => void): Promise<void> {
    await this.flush();
    try {
      if (this.#descriptor !== undefined) closeSync(this.#descriptor);
      this.#descriptor = undefined;
      change(this.path);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** Writes what is buffered and closes the file. Never rejects; lost data is reported. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.flush();
    const lost = this.#lostBytes + this.#waitingBytes;
    if (lost > 0) this.#report(`: ${lost.toLocaleString('en-US')} bytes could not be written and were lost`);
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#descriptor === undefined) return;
    try {
      closeSync(this.#descriptor);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  async #writeWaiting(): Promise<void> {
    clearTimeout(this.#start);
    this.#start = undefined;
    // Without data to write, `#writing` must be assigned before the `finally` below clears it.
    await Promise.resolve();
    try {
      for (let bytes = this.#first(); bytes !== undefined; bytes = this.#first()) {
        const descriptor = this.#open();
        const at = this.#position;
        const { bytesWritten } = await writeAt(descriptor, bytes, 0, bytes.length, at);
        // If not, `#writeNow` has written the same bytes in the meantime.
        if (this.#position === at) this.#written(bytesWritten);
      }
    } catch (thrown) {
      this.#fail(thrown);
    } finally {
      this.#writing = undefined;
    }
  }

  /**
   * Writes everything synchronously, including what is being written in the background: the same bytes to the same
   * place.
   */
  #writeNow(): boolean {
    try {
      const descriptor = this.#open();
      for (let bytes = this.#first(); bytes !== undefined; bytes = this.#first()) {
        this.#written(writeSync(descriptor, bytes, 0, bytes.length, this.#position));
      }
      return true;
    } catch (thrown) {
      this.#fail(thrown);
      return false;
    }
  }

  /** Returns the next buffer to write; joins small ones. */
  #first(): Uint8Array | undefined {
    const [first] = this.#waiting;
    if (first !== undefined && first.length < JOINED_BYTES && this.#waiting.length > 1) {
      this.#waiting = [Buffer.concat(this.#waiting)];
    }
    return this.#waiting[0];
  }

  #written(count: number): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    if (count === 0) throw new Error('the system accepted no bytes');
    this.#position += count;
    this.#waitingBytes -= count;
    if (count === first.length) this.#waiting.shift();
    else this.#waiting[0] = first.subarray(count);
  }

  #open(): number {
    if (this.#descriptor === undefined) {
      makeFolder(path.dirname(this.path));
      const descriptor = openSync(this.path, O_RDWR | O_CREAT, 0o666);
      try {
        const { lastLine } = this.options;
        const { size } = fstatSync(descriptor);
        this.#position = lastLine === undefined || !this.#isFirstOpen ? size : endOfLines(descriptor, size, lastLine);
      } catch (thrown) {
        closeSync(descriptor);
        throw thrown;
      }
      this.#descriptor = descriptor;
      this.#isFirstOpen = false;
    }
    return this.#descriptor;
  }

  #fail(thrown: unknown): void {
    if (this.#hasReported) return;
    this.#hasReported = true;
    this.#report(` cannot be written: ${messageOf(thrown)}; trying again`);
  }

  #report(what: string): void {
    this.options.onFailure(`${path.basename(this.path)}${what}`);
  }
}
