import { rmSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import {
  Dataset,
  Engine,
  inject,
  Logger,
  messageOf,
  MetricNames,
  Model,
  On,
  Plugin,
  RunConfig,
  RunFolder,
  RunState,
  type CheckpointFailed,
  type CheckpointSaved,
  type EvaluationEnd,
  type IterationEnd,
  type Metrics,
  type RunEnd,
  type RunRollback,
  type RunStart,
} from '../../../core/index.js';
import type { OperationEvent } from '../../growth/contract.js';
import type { Sample } from '../../sampling/contract.js';
import { AppendFile } from '../files/append-file.js';
import { EntryCounts } from '../files/entry-counts.js';
import { keepLines } from '../files/keep-lines.js';
import { environment } from './environment.js';
import { configLines, headerLines, logLines, metricLines, stepLine } from './lines.js';

/** Files whose lines have an iteration. A resumed run writes those after its checkpoint again. */
const BY_ITERATION = ['metrics.jsonl', 'timings.jsonl'] as const;
type IterationFile = (typeof BY_ITERATION)[number];
const FILES = [...BY_ITERATION, 'events.jsonl', 'run.log'] as const;
type FileName = (typeof FILES)[number];

const options = z
  .strictObject({
    interval: z.int().min(1).optional().describe('no effect; accepted for checkpoints older than `training-metrics`'),
  })
  .meta({ resume: 'free' });

@Plugin({
  name: 'run-log',
  summary: 'Writes metrics.jsonl, timings.jsonl, events.jsonl and run.log to the run folder.',
  config: options,
  before: ['training-metrics', 'evaluation', 'checkpoint', 'progress'],
  critical: false,
})
export default class RunLog {
  readonly #files: ReadonlyMap<FileName, AppendFile>;
  /** Metrics whose unit and description this process has written. */
  readonly #described = new Set<string>();
  #stopListening: () => void = () => undefined;
  /** The last iteration, until its line is written. */
  #step: IterationEnd | undefined;
  readonly #counts: EntryCounts;

  constructor(
    @inject(Logger) private readonly log: Logger,
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(RunState) private readonly runState: RunState,
    @inject(RunConfig) private readonly config: RunConfig,
    @inject(MetricNames) private readonly names: MetricNames,
    @inject(Engine) private readonly engine: Engine,
    @inject(Dataset) private readonly data: Dataset,
    @inject(Model) private readonly model: Model,
  ) {
    const onFailure = (line: string): void => {
      log.warn(line);
    };
    this.#counts = new EntryCounts(runState);
    this.#files = new Map(
      FILES.map((name) => {
        const lastLine = name === 'run.log' ? 'end' : 'cut';
        return [name, new AppendFile(path.join(folder.path, name), { onFailure, lastLine })];
      }),
    );
  }

  @On('run:start')
  start({ state, maxIters, resumedFrom }: RunStart): void {
    this.#resumeAt(resumedFrom === undefined ? 0 : state.iteration, resumedFrom !== undefined);
    this.#stopListening = this.log.addSink((level, text) => {
      this.#logged(level, text);
    });
    const { engine, data, model, folder } = this;
    const parts = { name: this.config.run.name, folder, engine, data, model };
    const from = { iteration: state.iteration, maxIters, resumedFrom };
    for (const line of [...headerLines(parts, from), ...configLines(folder)]) this.#logged('info', line);
    this.#event('run:start', {
      iteration: state.iteration,
      max_iters: maxIters,
      resumed_from: resumedFrom ?? null,
      environment: environment(engine),
    });
  }

  @On('iteration:end')
  step(step: IterationEnd): void {
    this.#step = step;
  }

  /**
   * Metrics that depend on the clock go to a file of their own, so that equal runs have equal bytes in `metrics.jsonl`.
   */
  @On('metrics')
  metrics({ iteration, values, tokens = this.runState.tokens }: Metrics): void {
    for (const name of Object.keys(values)) this.#describe(name);
    const { exact, clock } = this.names.split(values);
    const write = (file: IterationFile, part: Record<string, number>): void => {
      if (Object.keys(part).length === 0) return;
      this.#append(file, JSON.stringify({ iter: iteration, tokens, ...part }));
      this.#counts.add(file, iteration);
    };
    write('metrics.jsonl', exact);
    write('timings.jsonl', clock);
    if (this.#step?.iteration === iteration - 1) {
      this.#logged('info', stepLine(this.#step));
      this.#step = undefined;
    }
    for (const line of metricLines(iteration, values)) this.#logged('info', line);
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

  /** Flushes before each checkpoint, so that a killed process loses nothing from before it. */
  @On('checkpoint:due')
  async flush(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.flush()));
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

  /** Removes the lines of iterations that the rollback undid, since they are written again. */
  @On('run:rollback')
  async wentBack({ what, from, to, path: checkpoint, reason }: RunRollback): Promise<void> {
    if (what === 'run') {
      for (const [name, drop] of this.#droppersAt(to)) await this.#files.get(name)?.revise(drop);
    }
    this.#event('run:rollback', { what, from, to, path: path.relative(this.folder.path, checkpoint), reason });
  }

  @On('iteration:end')
  skipped({ iteration, skipped }: IterationEnd): void {
    if (skipped !== undefined) this.#event('step:skipped', { iteration: iteration + 1, reason: skipped });
  }

  @On('run:end')
  end({ status, reasons, state }: RunEnd): void {
    // The command prints the error after its log is closed.
    if (status === 'failed') for (const reason of reasons) this.#logged('error', reason);
    this.#event('run:end', { status, reasons, iteration: state.iteration });
  }

  state(): unknown {
    return this.#counts.state();
  }

  restore(state: unknown): void {
    this.#counts.restore(state);
  }

  async dispose(): Promise<void> {
    this.#stopListening();
    await Promise.all([...this.#files.values()].map((file) => file.close()));
  }

  /** Cuts what was logged after the checkpoint, since it is logged again; a new run starts new files. */
  #resumeAt(iteration: number, keep: boolean): void {
    const at = (name: string): string => path.join(this.folder.path, name);
    const droppers = this.#droppersAt(iteration);
    for (const name of keep ? [] : FILES) {
      try {
        rmSync(at(name), { force: true });
      } catch {
        // The failure is reported when the first line is written.
      }
    }
    for (const [name, drop] of keep ? droppers : []) {
      try {
        drop(at(name));
      } catch (thrown) {
        this.log.warn(`${name}: lines after iteration ${String(iteration)} appear twice: ${messageOf(thrown)}`);
      }
    }
  }

  /** Returns, for each file, a function that removes the lines that a run resuming at the iteration writes again. */
  #droppersAt(iteration: number): (readonly [IterationFile, (file: string) => void])[] {
    const keeps = this.#counts.resumeAt(iteration);
    return BY_ITERATION.map((name) => {
      const kept = keeps(name);
      return [
        name,
        (file) => {
          keepLines(file, (line) => kept(iterationOf(line)));
        },
      ];
    });
  }

  /** Logs a metric's unit and description once, so that readers of the files need not know the plugins. */
  #describe(name: string): void {
    if (this.#described.has(name)) return;
    this.#described.add(name);
    const { unit, what } = this.names.describe(name) ?? { unit: '', what: '' };
    this.#event('metric', { name, unit, what });
  }

  #event(event: string, facts: object): void {
    this.#append('events.jsonl', JSON.stringify({ time: new Date().toISOString(), event, ...facts }));
  }

  #logged(level: string, text: string): void {
    for (const line of logLines(new Date(), level, text)) this.#append('run.log', line);
  }

  #append(name: FileName, line: string): void {
    this.#files.get(name)?.append(`${line}\n`);
  }
}

const lineSchema = z.looseObject({ iter: z.int() });

/** Returns a line's iteration; Infinity for a line that is not valid. */
function iterationOf(line: string): number {
  try {
    return lineSchema.parse(JSON.parse(line)).iter;
  } catch {
    return Infinity;
  }
}
