import picocolors from 'picocolors';
import { Logger, type LogLevel } from './logger.js';

/** On Windows, picocolors treats every output as a terminal, even a file. */
const colors = picocolors.createColors(
  picocolors.isColorSupported &&
    (process.platform !== 'win32' || process.stderr.isTTY || process.env['FORCE_COLOR'] !== undefined),
);
const CLEAR_LINE = '\r\u001b[2K';
const LEVELS: readonly LogLevel[] = ['info', 'warn', 'error'];

export interface TerminalOptions {
  /** Print only warnings and errors, and no live line. */
  quiet: boolean;
}

/** The only writer of a command's messages (to standard error), with a live line below them on a terminal. */
export class Terminal {
  /** True if there is a live line. */
  live: boolean;
  #least: LogLevel;
  #isSilent = false;
  #prefix = '';
  #status: string | null = null;

  constructor({ quiet }: TerminalOptions) {
    this.live = process.stderr.isTTY && !quiet;
    this.#least = quiet ? 'warn' : 'info';
  }

  /** Returns a terminal that prints nothing. */
  static silent(): Terminal {
    const terminal = new Terminal({ quiet: true });
    terminal.#isSilent = true;
    terminal.live = false;
    return terminal;
  }

  /** From now on prints only errors, with a prefix: for a rank whose output would repeat rank 0's. */
  errorsOnly(prefix: string): void {
    this.live = false;
    this.#least = 'error';
    this.#prefix = prefix;
  }

  /** Prints a line above the live line. */
  line(text: string, level: LogLevel = 'info'): void {
    if (this.#isSilent || LEVELS.indexOf(level) < LEVELS.indexOf(this.#least)) return;
    const line = `${this.#prefix}${text}`;
    const shown = level === 'error' ? colors.red(line) : level === 'warn' ? colors.yellow(line) : line;
    process.stderr.write(`${this.#status === null ? '' : CLEAR_LINE}${shown}\n${this.#status ?? ''}`);
  }

  /** Replaces the live line; null removes it. Does nothing if the output is not a terminal. */
  status(text: string | null): void {
    if (!this.live) return;
    const width = process.stderr.columns;
    this.#status = text === null ? null : text.slice(0, Math.max(0, width - 1));
    process.stderr.write(CLEAR_LINE + (this.#status ?? ''));
  }
}

/** Returns a logger that prints to a terminal. */
export function loggerTo(terminal: Terminal): Logger {
  const log = new Logger();
  log.addSink((level, line) => {
    terminal.line(line, level);
  });
  return log;
}
