import { createWriteStream, existsSync, readFileSync, rmSync, writeFileSync, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import path from 'node:path';
import { z } from 'zod';
import {
  inject,
  Logger,
  On,
  Plugin,
  PluginConfig,
  RunFolder,
  RunState,
  type CheckpointFailed,
  type CheckpointSaved,
  type IterationEnd,
  type Metrics,
  type RunEnd,
  type RunStart,
} from '../../core/index.js';

const FILES = ['metrics.jsonl', 'events.jsonl', 'run.log'];

const options = z
  .strictObject({
    interval: z.int().min(1).default(10).describe('iterations between lines of training metrics'),
  })
  .meta({ resume: 'free' });

@Plugin({
  name: 'run-log',
  summary: 'metrics.jsonl, events.jsonl and run.log in the run’s folder.',
  config: options,
  before: ['evaluation', 'checkpoint', 'progress'],
  critical: false,
})
export default class RunLog {
  readonly #streams = new Map<string, WriteStream>();
  /** Files that could not be written: each is told of once, and tried again with the next line. */
  readonly #failed = new Set<string>();
  #stopListening: () => void = () => undefined;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(Logger) private readonly log: Logger,
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(RunState) private readonly runState: RunState,
  ) {}

  @On('run:start')
  start({ state, maxIters, resumedFrom }: RunStart): void {
    this.#goOnAt(resumedFrom === undefined ? 0 : state.iteration, resumedFrom !== undefined);
    this.#stopListening = this.log.addSink((level, line) => {
      this.#append('run.log', `${new Date().toISOString()} ${level.padEnd(5)} ${line}`);
    });
    this.#event('run:start', { iteration: state.iteration, max_iters: maxIters, resumed_from: resumedFrom ?? null });
  }

  @On('iteration:end')
  iteration({ iteration, loss, gradNorm, learningRate, tokens }: IterationEnd): void {
    if ((iteration + 1) % this.config.interval !== 0) return;
    this.#metrics(iteration + 1, tokens, { 'train/loss': loss, lr: learningRate, grad_norm: gradNorm });
  }

  @On('metrics')
  metrics({ iteration, values }: Metrics): void {
    this.#metrics(iteration, this.runState.tokens, values);
    this.#event('metrics', { iteration, ...values });
  }

  /** What is before a checkpoint is with the system before it is taken: a process that is killed loses none of it. */
  @On('checkpoint:due')
  async flush(): Promise<void> {
    const streams = [...this.#streams.values()];
    await Promise.all(streams.map((stream) => new Promise((done) => stream.write('', done))));
  }

  @On('checkpoint:saved')
  saved({ iteration, path: saved, kind, pauseMs, writeMs }: CheckpointSaved): void {
    const file = path.relative(this.folder.path, saved);
    this.#event('checkpoint:saved', { iteration, kind, path: file, pause_ms: pauseMs, write_ms: writeMs });
  }

  @On('checkpoint:failed')
  failed({ iteration, message }: CheckpointFailed): void {
    this.#event('checkpoint:failed', { iteration, message });
  }

  @On('run:end')
  end({ status, reasons, state }: RunEnd): void {
    this.#event('run:end', { status, reasons, iteration: state.iteration });
  }

  async dispose(): Promise<void> {
    this.#stopListening();
    // What cannot be written is told of by the stream's own listener.
    await Promise.allSettled([...this.#streams.values()].map((stream) => finished(stream.end())));
  }

  /** What was logged after the checkpoint is logged again; a run that starts over starts new files. */
  #goOnAt(iteration: number, keep: boolean): void {
    const at = (name: string): string => path.join(this.folder.path, name);
    try {
      if (!keep) for (const name of FILES) rmSync(at(name), { force: true });
      else if (existsSync(at('metrics.jsonl'))) {
        const lines = readFileSync(at('metrics.jsonl'), 'utf8').split('\n');
        const before = lines.filter((line) => iterationOf(line) <= iteration);
        if (before.length < lines.length - 1) {
          writeFileSync(at('metrics.jsonl'), before.map((line) => `${line}\n`).join(''));
        }
      }
    } catch {
      // What is wrong with a file is told of when its first line is written.
    }
  }

  #metrics(iteration: number, tokens: number, values: Readonly<Record<string, number>>): void {
    this.#append('metrics.jsonl', JSON.stringify({ iter: iteration, tokens, ...values }));
  }

  #event(event: string, facts: object): void {
    this.#append('events.jsonl', JSON.stringify({ time: new Date().toISOString(), event, ...facts }));
  }

  #append(name: string, line: string): void {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = createWriteStream(path.join(this.folder.path, name), { flags: 'a' });
      stream.on('error', (error) => {
        this.#streams.delete(name);
        if (this.#failed.has(name)) return;
        this.#failed.add(name);
        this.log.warn(`${name} cannot be written: ${error.message}`);
      });
      this.#streams.set(name, stream);
    }
    stream.write(`${line}\n`);
  }
}

const lineSchema = z.looseObject({ iter: z.int() });

/** Infinity for what is no whole line: a process that was killed may leave half of one. */
function iterationOf(line: string): number {
  try {
    return lineSchema.parse(JSON.parse(line)).iter;
  } catch {
    return Infinity;
  }
}
