import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../../core/index.js';
import { makeFolder } from '../../files/contract.js';
import { endOfLines, type LastLine } from './last-line.js';

const { O_CREAT, O_RDWR } = constants;
const writeAt = promisify(write);
const DEFAULT_LIMIT = 4 * 2 ** 20;
/** Appends are joined into writes of at least this size, where there are that many. */
const JOINED_BYTES = 64 * 2 ** 10;
/** Milliseconds that fewer bytes wait for more: a thread that is woken for every line takes its time from training. */
const JOINED_FOR = 200;

export interface AppendFileOptions {
  /** Bytes that may wait in memory, or one append that is larger; default 4 MiB. */
  readonly limit?: number;
  /** For a file of lines: what happens to a last line that an earlier process did not finish; default: nothing. */
  readonly lastLine?: LastLine;
  /** Told in one line of the first write that fails, and at the end of what could not be written at all. */
  readonly onFailure: (line: string) => void;
}

/**
 * A file that grows at its end while a run goes on: what every sink writes through. `append` only puts into memory;
 * a moment later one write at a time hands that to the system in the background, in order. What waits is bounded: over
 * the limit `append` itself waits for the disk, rather than drop anything. A write that fails is tried again with the
 * next append, and nothing is thrown: a full disk is no reason for a run to end.
 *
 * One process at a time writes the file. It is made, with its folder, by the first append, and
 * never truncated, except for an unfinished last line (`lastLine`).
 */
export class AppendFile {
  /** In order, what is not known to be in the file yet. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Where the first that waits belongs. */
  #position = 0;
  #lostBytes = 0;
  #descriptor: number | undefined;
  #isFirstOpen = true;
  #writing: Promise<void> | undefined;
  #start: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #told = false;
  readonly #limit: number;

  constructor(
    /** Absolute. */
    readonly path: string,
    private readonly options: AppendFileOptions,
  ) {
    this.#limit = options.limit ?? DEFAULT_LIMIT;
  }

  /**
   * Adds to the end. Bytes are not copied: leave them as they are.
   * @returns false when it was not taken: the file is closed, or writing fails and the limit is reached
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

  /** Resolves when all that was appended is with the system, or writing it has failed. Never rejects. */
  async flush(): Promise<void> {
    await this.#writing;
    await (this.#writing ??= this.#writeWaiting());
  }

  /**
   * Lets something else change the file, such as take lines away, when all that was appended is in it; what is appended
   * afterwards goes to its new end. A change that throws is told of as a write that fails.
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

  /** Writes what waits and lets the file go. Never rejects: what is lost is told of. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.flush();
    const lost = this.#lostBytes + this.#waitingBytes;
    if (lost > 0) this.#tell(`: ${lost.toLocaleString('en-US')} bytes could not be written and were lost`);
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
    // Where nothing waits, it must not end before it is known to have begun.
    await Promise.resolve();
    try {
      for (let bytes = this.#first(); bytes !== undefined; bytes = this.#first()) {
        const descriptor = this.#open();
        const at = this.#position;
        const { bytesWritten } = await writeAt(descriptor, bytes, 0, bytes.length, at);
        // Otherwise `#writeNow` has put the same bytes in the same place meanwhile.
        if (this.#position === at) this.#written(bytesWritten);
      }
    } catch (thrown) {
      this.#fail(thrown);
    } finally {
      this.#writing = undefined;
    }
  }

  /** Writes all that waits, also what is being written in the background: the same bytes, to the same place. */
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

  /** What to write next: small appends are joined. */
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
    if (count === 0) throw new Error('the system took none of it');
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
    if (this.#told) return;
    this.#told = true;
    this.#tell(` cannot be written: ${messageOf(thrown)}; trying again`);
  }

  #tell(what: string): void {
    this.options.onFailure(`${path.basename(this.path)}${what}`);
  }
}
