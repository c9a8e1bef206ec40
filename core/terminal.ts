import picocolors from 'picocolors';
import { Logger, type LogLevel } from './logger.js';

/** On Windows picocolors takes everything for a terminal, also a file. */
const colors = picocolors.createColors(
  picocolors.isColorSupported &&
    (process.platform !== 'win32' || process.stderr.isTTY || process.env['FORCE_COLOR'] !== undefined),
);
const CLEAR_LINE = '\r\u001b[2K';
const LEVELS: readonly LogLevel[] = ['info', 'warn', 'error'];

export interface TerminalOptions {
  /** Print warnings and errors only, and no live line. */
  quiet: boolean;
}

/** The one writer of a command's messages (on standard error), with a live line below them on a terminal. */
export class Terminal {
  /** Whether there is a live line. */
  live: boolean;
  #least: LogLevel;
  #isSilent = false;
  #prefix = '';
  #status: string | null = null;

  constructor({ quiet }: TerminalOptions) {
    this.live = process.stderr.isTTY && !quiet;
    this.#least = quiet ? 'warn' : 'info';
  }

  /** One that prints nothing. */
  static silent(): Terminal {
    const terminal = new Terminal({ quiet: true });
    terminal.#isSilent = true;
    terminal.live = false;
    return terminal;
  }

  /** From here on nothing but errors, behind a prefix: for a process whose like prints the same. */
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

  /** Replaces the live line; null takes it away. Does nothing where the output is no terminal. */
  status(text: string | null): void {
    if (!this.live) return;
    const width = process.stderr.columns;
    this.#status = text === null ? null : text.slice(0, Math.max(0, width - 1));
    process.stderr.write(CLEAR_LINE + (this.#status ?? ''));
  }
}

/** A logger whose lines a terminal prints. */
export function loggerTo(terminal: Terminal): Logger {
  const log = new Logger();
  log.addSink((level, line) => {
    terminal.line(line, level);
  });
  return log;
}
