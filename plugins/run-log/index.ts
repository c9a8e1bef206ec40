import { createWriteStream, existsSync, readFileSync, rmSync, writeFileSync, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import path from 'node:path';
import { z } from 'zod';
import {
  Engine,
  environment,
  inject,
  Logger,
  MetricNames,
  On,
  Plugin,
  RunFolder,
  RunState,
  type CheckpointFailed,
  type CheckpointSaved,
  type EvaluationEnd,
  type Metrics,
  type OperationEvent,
  type RunEnd,
  type RunStart,
  type Sample,
} from '../../core/index.js';

/** Lines of these have an iteration: those after a checkpoint are written again by a run that goes on from it. */
const BY_ITERATION = ['metrics.jsonl', 'timings.jsonl'];
const FILES = [...BY_ITERATION, 'events.jsonl', 'run.log'];

const options = z
  .strictObject({
    interval: z.int().min(1).optional().describe('of no effect: checkpoints from before `training-metrics` have it'),
  })
  .meta({ resume: 'free' });

@Plugin({
  name: 'run-log',
  summary: 'metrics.jsonl, timings.jsonl, events.jsonl and run.log in the run’s folder.',
  config: options,
  before: ['evaluation', 'checkpoint', 'progress'],
  critical: false,
})
export default class RunLog {
  readonly #streams = new Map<string, WriteStream>();
  /** Files that could not be written: each is told of once, and tried again with the next line. */
  readonly #failed = new Set<string>();
  /** Metrics whose unit and meaning this process has written. */
  readonly #described = new Set<string>();
  #stopListening: () => void = () => undefined;

  constructor(
    @inject(Logger) private readonly log: Logger,
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(RunState) private readonly runState: RunState,
    @inject(MetricNames) private readonly names: MetricNames,
    @inject(Engine) private readonly engine: Engine,
  ) {}

  @On('run:start')
  start({ state, maxIters, resumedFrom }: RunStart): void {
    this.#goOnAt(resumedFrom === undefined ? 0 : state.iteration, resumedFrom !== undefined);
    this.#stopListening = this.log.addSink((level, line) => {
      this.#append('run.log', `${new Date().toISOString()} ${level.padEnd(5)} ${line}`);
    });
    this.#event('run:start', {
      iteration: state.iteration,
      max_iters: maxIters,
      resumed_from: resumedFrom ?? null,
      environment: environment(this.engine),
    });
  }

  /** What hangs on the clock has a file of its own: `metrics.jsonl` of the same run twice is the same, byte for byte. */
  @On('metrics')
  metrics({ iteration, values }: Metrics): void {
    for (const name of Object.keys(values)) this.#describe(name);
    const { exact, clock } = this.names.split(values);
    const write = (file: string, part: Record<string, number>): void => {
      if (Object.keys(part).length === 0) return;
      this.#append(file, JSON.stringify({ iter: iteration, tokens: this.runState.tokens, ...part }));
    };
    write('metrics.jsonl', exact);
    write('timings.jsonl', clock);
  }

  @On('sample')
  sample({ iteration, prompt, text }: Sample): void {
    this.#event('sample', { iteration, prompt, text });
  }

  @On('operation')
  operation({ iteration, name, value, outcome, message, schedule }: OperationEvent): void {
    this.#event('operation', { iteration, name, value, outcome, message: message ?? null, schedule });
  }

  @On('evaluation:end')
  evaluated({ iteration, losses }: EvaluationEnd): void {
    this.#event('evaluation:end', { iteration, losses });
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
      else for (const name of BY_ITERATION) if (existsSync(at(name))) cutAfter(at(name), iteration);
    } catch {
      // What is wrong with a file is told of when its first line is written.
    }
  }

  /** Whoever reads the files later knows what the numbers are, a plugin's from elsewhere too. */
  #describe(name: string): void {
    if (this.#described.has(name)) return;
    this.#described.add(name);
    const { unit, what } = this.names.describe(name) ?? { unit: '', what: '' };
    this.#event('metric', { name, unit, what });
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

function cutAfter(file: string, iteration: number): void {
  const lines = readFileSync(file, 'utf8').split('\n');
  const before = lines.filter((line) => iterationOf(line) <= iteration);
  if (before.length < lines.length - 1) writeFileSync(file, before.map((line) => `${line}\n`).join(''));
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
