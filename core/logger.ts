/** Severity of a log line. */
export type LogLevel = 'info' | 'warn' | 'error';
export type LogSink = (level: LogLevel, line: string) => void;

/** Passes the run's log lines to sinks: the terminal, the log file. */
export class Logger {
  readonly #sinks = new Set<LogSink>();

  info(line: string): void {
    this.#write('info', line);
  }

  warn(line: string): void {
    this.#write('warn', line);
  }

  error(line: string): void {
    this.#write('error', line);
  }

  /** Adds a sink; returns its remover. */
  addSink(sink: LogSink): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  #write(level: LogLevel, line: string): void {
    for (const sink of this.#sinks) sink(level, line);
  }
}
