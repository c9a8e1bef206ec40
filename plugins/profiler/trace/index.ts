import { existsSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import {
  Engine,
  EventBus,
  inject,
  Logger,
  messageOf,
  On,
  Plugin,
  PluginConfig,
  Ranks,
  RunFolder,
  RunState,
  Sections,
  UsageError,
} from '../../../core/index.js';
import { makeFolder } from '../../files/contract.js';
import { TraceFile } from './file.js';
import { Recorder } from './recorder.js';
import { Spans } from './spans.js';

const options = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .optional()
      .describe('file to write, replaced if it exists (default: trace.json in the run folder)'),
    first: z.int().min(0).optional().describe('first iteration of the trace (default: the first of this process)'),
    iterations: z.int().min(1).default(50).describe('iterations to trace, including the work after each'),
    max_mb: z.number().gt(0).default(200).describe('largest size of the trace, in megabytes'),
  })
  .meta({ resume: 'free' });

const MEGABYTE = 1e6;

@Plugin({
  name: 'trace',
  summary: 'Writes a trace of some iterations for ui.perfetto.dev: events, plugins, sections, kernels, worker threads.',
  config: options,
})
export default class Trace {
  #file: TraceFile | undefined;
  #recorder: Recorder | undefined;
  #traced = 0;
  #forget: () => void = () => undefined;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(Sections) private readonly sections: Sections,
    @inject(Engine) private readonly engine: Engine,
    @inject(RunState) private readonly runState: RunState,
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(Ranks) private readonly ranks: Ranks,
    @inject(Logger) private readonly log: Logger,
  ) {
    // Check the folder now instead of after everything is built.
    const { file } = config;
    if (file === undefined || existsSync(path.dirname(folder.fromConfig(file)))) return;
    throw cannotWrite(`there is no folder ${path.dirname(folder.fromConfig(file))}`);
  }

  @On('run:start')
  open(): void {
    if (this.ranks.rank !== 0) return;
    try {
      if (this.config.file === undefined) makeFolder(this.folder.path);
      this.#file = new TraceFile(this.#path, this.config.max_mb * MEGABYTE);
    } catch (thrown) {
      throw cannotWrite(messageOf(thrown));
    }
    const { bus, sections, runState: state } = this;
    const recorder = new Recorder({ bus, sections, state, backend: this.engine.backend }, new Spans(this.#file));
    this.#recorder = recorder;
    const first = this.config.first ?? state.iteration;
    this.#forget = recorder.watchEvents((event) => {
      if (event !== 'iteration:start' || state.iteration < first) return;
      if (state.iteration >= first + this.config.iterations) this.#end();
      else if (!recorder.isOn) recorder.start();
    });
  }

  @On('iteration:end')
  flush(): void {
    const file = this.#file;
    if (file === undefined || this.#recorder?.isOn !== true) return;
    this.#traced++;
    file.flush();
    if (file.failure !== undefined) {
      this.log.warn(`the trace ends here: ${file.failure}`);
      this.#end();
    } else if (file.bytes >= this.config.max_mb * MEGABYTE) {
      this.log.warn(`the trace has grown to plugins.trace.max_mb: it ends after ${String(this.#traced)} iterations`);
      this.#end();
    }
  }

  async dispose(): Promise<void> {
    // The last spans of worker threads are still in transit.
    if (this.#recorder?.isOn === true) await nextTurn();
    this.#end();
  }

  get #path(): string {
    const { file } = this.config;
    return file === undefined ? path.join(this.folder.path, 'trace.json') : this.folder.fromConfig(file);
  }

  /** Ends the trace and logs where it is; does nothing the second time. */
  #end(): void {
    this.#forget();
    this.#recorder?.stop();
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    file.close();
    if (this.#traced === 0) {
      this.log.warn(`the trace ${this.#path} is empty: the run did not reach its first iteration`);
      return;
    }
    const size = `${String(this.#traced)} iterations, ${(file.bytes / MEGABYTE).toFixed(1)} MB`;
    this.log.info(`trace: ${this.#path} (${size}); open it in https://ui.perfetto.dev or chrome://tracing`);
  }
}

function cannotWrite(why: string): UsageError {
  return new UsageError('ESP_TRACE_FILE', `the trace cannot be written: ${why}; give a file in a folder that exists`);
}
