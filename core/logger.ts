/** How much a line matters. */
export type LogLevel = 'info' | 'warn' | 'error';
export type LogSink = (level: LogLevel, line: string) => void;

/** The run's log lines: to the terminal, and to whoever listens (the file log). */
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
