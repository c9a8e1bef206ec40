import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  createRun,
  type LogLevel,
  type PluginChoice,
  type Run,
  type RunOptions,
  type RunResult,
  type RunSettings,
} from '../../../core/index.js';
import { MemoryCheckpoints } from './checkpoints.js';
import { TestProcess } from './process.js';
import { EventRecorder } from './recorder.js';
import { TextInMemory } from './text.js';
import { merged, tinySettings, tinyText } from './tiny.js';

/** A failure to provoke in a run. */
export type Fault = (run: TestRun) => void;

export interface TestRunOptions<Choice extends PluginChoice = PluginChoice> extends Pick<
  RunOptions<Choice>,
  'presets' | 'plugins' | 'set' | 'passing' | 'resume' | 'cwd'
> {
  /** Text to train on; default: a few sentences, unless `config.data` is given. */
  readonly text?: string;
  /** Settings that override those of the tiny run. */
  readonly config?: RunSettings;
  /** Iterations to train (`train.max_iters`). Default: 6. */
  readonly iterations?: number;
  /** Seed of every random stream: equal seeds give equal runs. Default: 1. */
  readonly seed?: number;
  /**
   * Folder for the run's files, absolute. Without it the run writes nothing, and what its plugins write is in a temporary
   * folder that `dispose` removes.
   */
  readonly folder?: string;
  /**
   * Stores checkpoints if there is no folder. A run that gets another run's store resumes from its newest checkpoint.
   */
  readonly checkpoints?: MemoryCheckpoints;
  /** Failures to provoke. */
  readonly faults?: readonly Fault[];
}

/** A line of the run's log. */
export interface LogLine {
  readonly level: LogLevel;
  readonly line: string;
}

/** A real run of a tiny model, ready to train, with what a test inspects. */
export class TestRun implements AsyncDisposable {
  readonly events: EventRecorder;

  constructor(
    readonly run: Run,
    readonly checkpoints: MemoryCheckpoints,
    readonly process: TestProcess,
    /** Every line that a terminal would print, from the start. */
    readonly log: readonly LogLine[],
    /** What `dispose` removes. */
    private readonly temporary: string | undefined,
  ) {
    this.events = new EventRecorder(run.bus);
  }

  /** Trains to the end, or until it is stopped. @throws what the command would print */
  train(): Promise<RunResult> {
    return this.run.train();
  }

  /** Returns the weights, by name. */
  weights(): Map<string, Float32Array> {
    return new Map(
      [...this.run.model.parameters()].map(([name, weight]) => [name, weight.dataSync<'float32'>().slice()]),
    );
  }

  async dispose(): Promise<void> {
    await this.run.dispose();
    if (this.temporary !== undefined) await rm(this.temporary, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/**
 * Creates a run of a tiny model on a text in memory, with evaluations and checkpoints every three iterations. Config,
 * plugins, events and engine are those of a user's run. Without a folder no file is written.
 * @throws UsageError like `createRun`
 */
export async function testRun<Choice extends PluginChoice = PluginChoice>(
  options: TestRunOptions<Choice> = {},
): Promise<TestRun> {
  const { plugins = [], config, iterations = 6, seed = 1, folder, faults = [], text, ...rest } = options;
  const { checkpoints = new MemoryCheckpoints(), ...request } = rest;
  const base = merged(tinySettings({ iterations, seed }), config ?? {});
  const isInMemory = folder === undefined;
  const hasData = config?.data !== undefined && text === undefined;
  const from = isInMemory && checkpoints.names.length > 0 ? await checkpoints.read() : undefined;
  const isTemporary = isInMemory && base.run?.dir === undefined;
  const dir = isTemporary ? temporaryFolder() : folder;
  const host = new TestProcess();
  const log: LogLine[] = [];
  const choices: PluginChoice[] = [
    ...(hasData ? [] : [[TextInMemory, { text: text ?? tinyText }] as const]),
    ...(isInMemory ? [checkpoints.plugin()] : []),
    ...plugins,
  ];
  const run = await createRun({
    ...request,
    ...(isInMemory ? { inMemory: true } : { cwd: request.cwd ?? folder }),
    config: dir === undefined ? base : merged(base, { run: { dir: path.resolve(dir) } }),
    plugins: choices,
    host,
    log: (level, line) => log.push({ level, line }),
  });
  const made = new TestRun(run, checkpoints, host, log, isTemporary ? dir : undefined);
  try {
    if (from !== undefined) run.restore(from);
    for (const fault of faults) fault(made);
  } catch (thrown) {
    await made.dispose();
    throw thrown;
  }
  return made;
}

/** The path of a folder for what plugins of one run write; it is made by the first that does. */
export function temporaryFolder(): string {
  return path.join(tmpdir(), `espalier-test-${randomUUID()}`);
}
