import { z } from 'zod';
import {
  inject,
  Logger,
  On,
  Plugin,
  PluginConfig,
  Ranks,
  RunConfig,
  RunControl,
  RunFolder,
  RunState,
  type Metrics,
  type RunEnd,
  type RunRollback,
  type RunStart,
} from '../../../core/index.js';
import type { Histogram } from '../../analysis/contract.js';
import type { Sample } from '../../sampling/contract.js';
import { newId, stampOf } from './folder.js';
import { histogramValue } from './recorder.js';
import { options, type Options, settingsOf, type Settings } from './settings.js';
import { Session, type SessionStart } from './session.js';

const SYSTEM = 'system/';
const EXIT_FAILED = 1;

const rowSchema = z.strictObject({
  step: z.int(),
  values: z.record(z.string(), z.string()),
  samples: z.array(z.strictObject({ prompt: z.string(), text: z.string() })),
});
const stateSchema = z.strictObject({
  identity: z.strictObject({
    id: z.string(),
    name: z.string(),
    /** History rows of the whole run. */
    rows: z.int(),
    /** The last row of the checkpoint's iteration, and that iteration's number of rows. */
    last: z.strictObject({ row: rowSchema, count: z.int() }).optional(),
    /** In checkpoints of earlier versions, which did not continue that row: rows of the checkpoint's iteration. */
    counts: z.looseObject({ identity: z.looseObject({ rows: z.int().default(0) }) }).optional(),
  }),
});
type Kept = z.output<typeof stateSchema>;

@Plugin({
  name: 'wandb',
  summary: 'Uploads the run to Weights & Biases while it trains, or writes files for `wandb sync`.',
  config: options,
  before: ['evaluation', 'checkpoint', 'progress'],
  critical: false,
})
export default class Wandb {
  readonly #settings: Settings;
  /** The run's id and name on the server, which a resumed run keeps. */
  #identity: Kept['identity'] | undefined;
  #session: Session | undefined;
  #exitCode = EXIT_FAILED;
  #stopListening: () => void = () => undefined;

  constructor(
    @inject(PluginConfig) private readonly config: Options,
    @inject(RunConfig) private readonly run: RunConfig,
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(RunState) private readonly runState: RunState,
    @inject(RunControl) private readonly control: RunControl,
    @inject(Logger) private readonly log: Logger,
    @inject(Ranks) private readonly ranks: Ranks,
  ) {
    this.#settings = settingsOf(config, process.env);
  }

  @On('run:start')
  start({ state, resumedFrom }: RunStart): void {
    if (this.#settings.mode === 'disabled' || this.ranks.rank !== 0) return;
    this.#open(state.iteration, resumedFrom);
    if (!this.#settings.console) return;
    this.#stopListening = this.log.addSink((level, line) => {
      this.#session?.recorder.console(line, level !== 'info');
    });
  }

  /** Removes the rows of iterations that the rollback undid, as after a resume. */
  @On('run:rollback')
  async goBack({ what, to, path: checkpoint }: RunRollback): Promise<void> {
    if (what !== 'run' || this.#session === undefined) return;
    await this.#session.finish(0);
    this.#open(to, checkpoint);
  }

  @On('metrics')
  metrics({ iteration, values, tokens = this.runState.tokens }: Metrics): void {
    const system: Record<string, number> = {};
    const others: Record<string, number> = {};
    for (const [name, value] of Object.entries(values)) {
      if (name.startsWith(SYSTEM)) system[name.slice(SYSTEM.length)] = value;
      else others[name] = value;
    }
    if (Object.keys(system).length > 0) this.#session?.recorder.system(system);
    if (Object.keys(others).length > 0) this.#session?.recorder.values(iteration, tokens, others);
  }

  @On('sample')
  sample({ iteration, prompt, text }: Sample): void {
    this.#session?.recorder.sample(iteration, this.runState.tokens, { prompt, text });
  }

  @On('histogram')
  histogram({ iteration, name, edges, counts }: Histogram): void {
    this.#session?.recorder.values(iteration, this.runState.tokens, { [name]: histogramValue(edges, counts) });
  }

  /** Flushes before each checkpoint, so that a killed process loses nothing from before it. */
  @On('checkpoint:due')
  async flush(): Promise<void> {
    await this.#session?.recorder.flush();
  }

  @On('run:end')
  end({ status, reasons }: RunEnd): void {
    this.#exitCode = status === 'done' ? 0 : status === 'failed' ? EXIT_FAILED : this.control.exitCode;
    // The command prints the error after this plugin is disposed.
    if (status === 'failed') this.#session?.recorder.console(`failed: ${reasons.join('; ')}`, true);
  }

  async dispose(): Promise<void> {
    this.#stopListening();
    await this.#session?.finish(this.#exitCode);
  }

  state(): Kept | undefined {
    if (this.#identity === undefined) return undefined;
    if (this.#session === undefined) return { identity: this.#identity };
    const { id, name } = this.#identity;
    const { recorder } = this.#session;
    const last = recorder.rowsAt(this.runState.iteration);
    return {
      identity: { id, name, rows: recorder.rows, ...(last === undefined ? {} : { last: structuredClone(last) }) },
    };
  }

  restore(state: unknown): void {
    if (state === undefined) return;
    this.#identity = stateSchema.parse(state).identity;
  }

  #open(iteration: number, resumedFrom: string | undefined): void {
    const { config: options, folder, log } = this;
    const start = this.#identify(new Date(), iteration, resumedFrom);
    this.#session = new Session({ options, settings: this.#settings, folder, log }, start);
  }

  /** Keeps the checkpoint's id and name, unless the config sets another id, which makes it another run. */
  #identify(time: Date, iteration: number, resumedFrom: string | undefined): SessionStart {
    const { id: asked, name } = this.#settings;
    const kept = this.#identity;
    if (kept !== undefined && resumedFrom !== undefined && (asked.config ?? kept.id) === kept.id) {
      this.#identity = { ...kept, name: this.config.name ?? kept.name };
      const resumed = {
        checkpoint: resumedFrom,
        iteration,
        rows: kept.last === undefined ? kept.rows : kept.rows - 1,
        kept: kept.last === undefined ? (kept.counts?.identity.rows ?? Infinity) : kept.last.count - 1,
        open: kept.last?.row,
      };
      return { id: kept.id, name: this.#identity.name, time, resumed };
    }
    const id = asked.config ?? asked.environment ?? newId();
    this.#identity = { id, name: name ?? `${this.run.run.name}-${stampOf(time).replace('_', '-')}`, rows: 0 };
    return { id, name: this.#identity.name, time, resumed: undefined };
  }
}
