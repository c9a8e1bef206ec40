import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import {
  inject,
  Logger,
  On,
  Plugin,
  PluginConfig,
  RunConfig,
  RunFolder,
  RunState,
  type Metrics,
  type RunRollback,
  type RunStart,
} from '../../../core/index.js';
import type { Histogram } from '../../analysis/contract.js';
import type { Sample } from '../../sampling/contract.js';
import { AppendFile } from '../files/append-file.js';
import { EntryCounts } from '../files/entry-counts.js';
import { EventFiles } from './files.js';
import { histogramEvent, restartEvent, scalarsEvent, textEvent, versionEvent } from './messages.js';
import { record } from './records.js';

const options = z
  .strictObject({
    dir: z.string().min(1).optional().describe('folder of the event files (default: `tensorboard` in the run folder)'),
  })
  .meta({ resume: 'free' });

const SHOWN_PROMPT = 60;
/** Key under which events of all files are counted. */
const EVENTS = 'events';

@Plugin({
  name: 'tensorboard',
  summary: 'Writes event files for TensorBoard: metrics, histograms, samples, and the config.',
  config: options,
  before: ['evaluation', 'checkpoint'],
  critical: false,
})
export default class TensorBoard {
  readonly #counts: EntryCounts;
  #file: AppendFile | undefined;
  /** Prompts by the tag of their samples. */
  readonly #tags = new Map<string, string>();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunConfig) private readonly run: RunConfig,
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(Logger) private readonly log: Logger,
    @inject(RunState) runState: RunState,
  ) {
    this.#counts = new EntryCounts(runState);
  }

  /** Cuts what came after the checkpoint, since it is written again, and makes an open TensorBoard drop it. */
  @On('run:start')
  start({ state, resumedFrom }: RunStart): void {
    if (resumedFrom === undefined) {
      this.#files().remove();
      this.#open();
    } else this.#openAfter(state.iteration);
    const config = readFileSync(path.join(this.folder.path, 'config.yaml'), 'utf8');
    this.#add(state.iteration, textEvent(now(), state.iteration, 'config', verbatim(config)));
  }

  @On('run:rollback')
  async goBack({ what, to }: RunRollback): Promise<void> {
    if (what !== 'run') return;
    await this.#file?.close();
    this.#openAfter(to);
  }

  @On('metrics')
  metrics({ iteration, values }: Metrics): void {
    this.#add(iteration, scalarsEvent(now(), iteration, values));
  }

  @On('histogram')
  histogram(histogram: Histogram): void {
    this.#add(histogram.iteration, histogramEvent(now(), histogram));
  }

  @On('sample')
  sample({ iteration, prompt, text }: Sample): void {
    this.#add(iteration, textEvent(now(), iteration, this.#tagOf(prompt), verbatim(prompt + text)));
  }

  /** Flushes before each checkpoint, so that a killed process loses nothing from before it. */
  @On('checkpoint:due')
  async flush(): Promise<void> {
    await this.#file?.flush();
  }

  state(): unknown {
    return this.#counts.state();
  }

  restore(state: unknown): void {
    this.#counts.restore(state);
  }

  async dispose(): Promise<void> {
    await this.#file?.close();
  }

  #files(): EventFiles {
    const { dir } = this.config;
    const folder = dir === undefined ? path.join(this.folder.path, 'tensorboard') : this.folder.fromConfig(dir);
    return new EventFiles(folder, this.run.run.name);
  }

  #open(): void {
    this.#file = new AppendFile(this.#files().next(now()), {
      onFailure: (line) => {
        this.log.warn(line);
      },
    });
    this.#add(0, versionEvent(now()));
  }

  #openAfter(iteration: number): void {
    this.#files().keep(this.#counts.resumeAt(iteration)(EVENTS));
    this.#open();
    this.#write(restartEvent(now(), iteration + 1));
  }

  /** Writes and counts an event of an iteration. */
  #add(iteration: number, event: Uint8Array): void {
    this.#counts.add(EVENTS, iteration);
    this.#write(event);
  }

  #write(event: Uint8Array): void {
    this.#file?.append(record(event));
  }

  /** Returns the tag of a prompt, such as `samples/Call me`; prompts with the same beginning are numbered. */
  #tagOf(prompt: string): string {
    const start = `samples/${JSON.stringify(prompt).slice(1, -1).slice(0, SHOWN_PROMPT)}`;
    for (let n = 1; ; n++) {
      const tag = n === 1 ? start : `${start} (${String(n)})`;
      const owner = this.#tags.get(tag) ?? prompt;
      if (owner !== prompt) continue;
      this.#tags.set(tag, prompt);
      return tag;
    }
  }
}

/** Returns the current time in seconds since 1970, for TensorBoard's axis of wall time. */
function now(): number {
  return Date.now() / 1000;
}

/** Formats text as a Markdown code block: otherwise TensorBoard shows it as one paragraph. */
function verbatim(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}
