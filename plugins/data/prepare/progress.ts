import cliProgress from 'cli-progress';
import type { Terminal } from '../../../core/index.js';

const LINE_EVERY_MS = 5000;
const STATUS_EVERY_MS = 100;
const MEGABYTE = 1e6;

/** Shows how much of the inputs is read: a live line on a terminal, plain lines elsewhere. */
export class PrepareProgress {
  #read = 0;
  #text = 0;
  #what = '';
  #started = performance.now();
  #shown = performance.now();

  #total: number | undefined;

  constructor(private readonly terminal: Terminal) {}

  /** Begins a new pass over the inputs. @param total their bytes; undefined if one is standard input */
  start(what: string, total: number | undefined): void {
    this.#what = what;
    this.#total = total;
    this.#read = 0;
    this.#text = 0;
    this.#started = performance.now();
    this.#shown = this.#started;
  }

  /** @param bytes read from the inputs, before unpacking */
  read(bytes: number): void {
    this.#read += bytes;
  }

  /** @param bytes of text done */
  done(bytes: number): void {
    this.#text += bytes;
    const now = performance.now();
    if (now - this.#shown < (this.terminal.live ? STATUS_EVERY_MS : LINE_EVERY_MS)) return;
    this.#shown = now;
    if (this.terminal.live) this.terminal.status(this.#line(now));
    else this.terminal.line(this.#line(now));
  }

  /** Removes the live line and prints the speed. */
  end(): void {
    this.terminal.status(null);
    this.terminal.line(`${this.#what}: ${this.#speed(performance.now())}`);
  }

  /** Removes the live line. */
  stop(): void {
    this.terminal.status(null);
  }

  #line(now: number): string {
    const facts = [this.#what, this.#speed(now)];
    if (this.#total !== undefined && this.#read > 0) {
      const share = Math.min(1, this.#read / this.#total);
      const left = Math.round(((now - this.#started) / 1000) * (1 / share - 1));
      const time = cliProgress.Format.TimeFormat(left, { autopadding: false, autopaddingChar: '' }, 1);
      facts.push(`${(100 * share).toFixed(0)} %`, `${time} left`);
    }
    return facts.join('  ');
  }

  #speed(now: number): string {
    const seconds = Math.max(1e-3, (now - this.#started) / 1000);
    const megabytes = this.#text / MEGABYTE;
    return `${megabytes.toFixed(1)} MB  ${(megabytes / seconds).toFixed(1)} MB/s`;
  }
}
