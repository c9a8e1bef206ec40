import colors from 'picocolors';
import type { LogLevel } from './logger.js';

const CLEAR_LINE = '\r\u001b[2K';

export interface TerminalOptions {
  /** Print warnings and errors only, and no live line. */
  quiet: boolean;
}

/** The one writer of a command's messages (on standard error), with a live line below them on a terminal. */
export class Terminal {
  readonly live: boolean;
  #status: string | null = null;

  constructor(private readonly options: TerminalOptions) {
    this.live = process.stderr.isTTY && !options.quiet;
  }

  /** Prints a line above the live line. */
  line(text: string, level: LogLevel = 'info'): void {
    if (this.options.quiet && level === 'info') return;
    const shown = level === 'error' ? colors.red(text) : level === 'warn' ? colors.yellow(text) : text;
    process.stderr.write(`${this.#status === null ? '' : CLEAR_LINE}${shown}\n${this.#status ?? ''}`);
  }

  /** Replaces the live line; null takes it away. Does nothing where the output is no terminal. */
  status(text: string | null): void {
    if (!this.live) return;
    const width = process.stderr.columns;
    this.#status = text === null ? null : text.slice(0, Math.max(0, width - 1));
    process.stderr.write(CLEAR_LINE + (this.#status ?? ''));
  }
}
