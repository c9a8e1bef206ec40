import { open, type FileHandle } from 'node:fs/promises';

const CHUNK = 1 << 20;
const TAIL = 256;
const NEWLINE = 0x0a;

/**
 * Reads the lines appended to a file since the last read. Starts again from the beginning if the part already read has
 * changed: a resumed run cuts its metrics, and one that starts over deletes them.
 */
export class LineFollower {
  #inode = 0;
  /** Number of bytes read so far. */
  #offset = 0;
  /** The last bytes read, to notice a different file of the same length. */
  #tail: Buffer = Buffer.alloc(0);
  /** The start of a line whose end is not written yet. */
  #half: Buffer = Buffer.alloc(0);

  constructor(private readonly path: string) {}

  /**
   * @param onLine called with each complete line
   * @param onReset called before the lines if reading starts again
   * @returns whether anything has changed
   */
  async read(onLine: (line: string) => void, onReset: () => void): Promise<boolean> {
    const file = await open(this.path).catch(() => undefined);
    if (file === undefined) return this.#forget(onReset);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return this.#forget(onReset);
      const { ino, size } = stat;
      const same = ino === this.#inode && size >= this.#offset && (await this.#isWhatWasRead(file));
      const changed = same ? false : this.#forget(onReset);
      this.#inode = ino;
      return (await this.#readOn(file, onLine)) || changed;
    } finally {
      await file.close();
    }
  }

  #forget(onReset: () => void): boolean {
    const had = this.#offset > 0;
    this.#offset = 0;
    this.#tail = Buffer.alloc(0);
    this.#half = Buffer.alloc(0);
    if (had) onReset();
    return had;
  }

  async #isWhatWasRead(file: FileHandle): Promise<boolean> {
    const { length } = this.#tail;
    const now = Buffer.alloc(length);
    await file.read(now, 0, length, this.#offset - length);
    return now.equals(this.#tail);
  }

  async #readOn(file: FileHandle, onLine: (line: string) => void): Promise<boolean> {
    const from = this.#offset;
    for (;;) {
      const chunk = Buffer.alloc(CHUNK);
      const { bytesRead } = await file.read(chunk, 0, CHUNK, this.#offset);
      if (bytesRead === 0) return this.#offset > from;
      this.#offset += bytesRead;
      const read = chunk.subarray(0, bytesRead);
      this.#tail = Buffer.concat([this.#tail, read.subarray(-TAIL)]).subarray(-TAIL);
      this.#split(read, onLine);
    }
  }

  #split(read: Buffer, onLine: (line: string) => void): void {
    const end = read.lastIndexOf(NEWLINE);
    if (end === -1) {
      this.#half = Buffer.concat([this.#half, read]);
      return;
    }
    const whole = Buffer.concat([this.#half, read.subarray(0, end)]);
    this.#half = Buffer.from(read.subarray(end + 1));
    for (const line of whole.toString('utf8').split('\n')) if (line !== '') onLine(line);
  }
}
