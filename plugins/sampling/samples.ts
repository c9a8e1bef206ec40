import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import {
  Dataset,
  Engine,
  EventBus,
  inject,
  isUsageError,
  Logger,
  messageOf,
  Model,
  On,
  Plugin,
  PluginConfig,
  RandomStreams,
  RunConfig,
  RunControl,
  type EvaluationEnd,
  type RunRollback,
  type RunStart,
  type Tokenizer,
} from '../../core/index.js';
import { writeText } from './text/write-text.js';

const options = z
  .strictObject({
    interval: z.int().min(1).default(1).describe('evaluations between samples; always sampled at the last one'),
    prompts: z
      .array(z.string().min(1, 'give at least one character'))
      .default([])
      .describe('texts to continue; empty: one sample that starts with a line break'),
    tokens: z.int().min(1).default(100).describe('tokens to generate per prompt'),
    temperature: z.number().min(0).default(0.8).describe('sampling temperature; 0 always takes the most likely token'),
    top_k: z.int().min(0).default(200).describe('top-k: sample from the k most likely tokens; 0: from all'),
    top_p: z
      .number()
      .gt(0)
      .max(1)
      .default(1)
      .describe('top-p: sample from the most likely tokens with this total probability; 1: from all'),
    repetition_penalty: z.number().gt(0).default(1).describe('penalty on tokens already in the text; 1 disables it'),
    stop: z
      .array(z.string().min(1, 'give at least one character'))
      .default([])
      .describe('end a sample before any of these texts'),
  })
  .meta({ resume: 'free' });

const stateSchema = z.strictObject({
  skipped: z.int().min(0),
  /** Samples of the last evaluation that a stop interrupted: prompts from `from` on remain. */
  owed: z.strictObject({ iteration: z.int().min(0), from: z.int().min(0) }).optional(),
});
type State = z.output<typeof stateSchema>;

/**
 * Each iteration and prompt has its own random stream: training draws the same numbers with or without samples, and
 * checkpoints store nothing for them.
 */
@Plugin({
  name: 'samples',
  summary: 'Generates text at evaluations, so that progress can be read.',
  config: options,
  after: ['evaluation'],
  critical: false,
})
export default class Samples {
  /** Evaluations since the last samples. */
  #skipped = 0;
  #owed: State['owed'];
  /** Undefined means a line break. */
  #prompts: (string | undefined)[] = [];

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunConfig) private readonly run: RunConfig,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(RunControl) private readonly control: RunControl,
    @inject(RandomStreams) private readonly random: RandomStreams,
    @inject(Engine) private readonly engine: Engine,
    @inject(Dataset) private readonly data: Dataset,
    @inject(Model) private readonly model: Model,
    @inject(Logger) private readonly log: Logger,
  ) {}

  @On('run:start')
  async start(_: RunStart): Promise<void> {
    const { tokenizer } = this.data;
    const { prompts } = this.config;
    if (tokenizer === undefined) {
      this.log.warn('samples: no samples, because the data has no tokenizer');
    } else {
      if (prompts.length === 0) this.#prompts = [undefined];
      for (const prompt of prompts) if (await this.#hasTokens(prompt, tokenizer)) this.#prompts.push(prompt);
    }
    if (this.#owed !== undefined) await this.#writeFrom(this.#owed);
  }

  /** The weights to sample from are gone. */
  @On('run:rollback')
  forget({ what }: RunRollback): void {
    if (what === 'model') this.#owed = undefined;
  }

  @On('evaluation:end')
  async write({ iteration }: EvaluationEnd): Promise<void> {
    this.#skipped++;
    if (this.#skipped < this.config.interval && iteration !== this.run.train.max_iters) return;
    this.#skipped = 0;
    await this.#writeFrom({ iteration, from: 0 });
  }

  /** Undefined right after samples, so that the plugin can be turned on or off when resuming. */
  state(): State | undefined {
    if (this.#skipped === 0 && this.#owed === undefined) return undefined;
    return { skipped: this.#skipped, ...(this.#owed === undefined ? {} : { owed: this.#owed }) };
  }

  restore(state: unknown): void {
    const { skipped, owed } = stateSchema.parse(state ?? { skipped: 0 });
    this.#skipped = skipped;
    this.#owed = owed;
  }

  async #writeFrom({ iteration, from }: NonNullable<State['owed']>): Promise<void> {
    this.#owed = undefined;
    const { tokenizer } = this.data;
    if (tokenizer === undefined) return;
    for (const [index, prompt] of this.#prompts.entries()) {
      if (index < from) continue;
      // Lets signals in between two texts.
      await nextTurn();
      if (this.control.stopReasons.length > 0) {
        this.#owed = { iteration, from: index };
        return;
      }
      await this.#sample(tokenizer, iteration, index, prompt);
    }
  }

  async #sample(tokenizer: Tokenizer, iteration: number, index: number, given: string | undefined): Promise<void> {
    const { tokens, temperature, top_k: topK, top_p: topP, repetition_penalty: repetitionPenalty, stop } = this.config;
    const stream = this.random.at('samples', iteration, index);
    const { prompt, text } = await writeText(this.model, tokenizer, {
      ...{ prompt: given, tokens, temperature, topK, topP, repetitionPenalty, stop },
      random: () => stream.float(),
      engine: this.engine,
    });
    this.log.info(`sample at iteration ${String(iteration)}:\n${prompt}${text}`);
    await this.bus.dispatch('sample', { iteration, prompt, text });
  }

  /** A prompt without tokens is reported and left out. */
  async #hasTokens(prompt: string, tokenizer: Tokenizer): Promise<boolean> {
    try {
      await tokenizer.encode(prompt);
      return true;
    } catch (thrown) {
      if (!isUsageError(thrown)) throw thrown;
      this.log.warn(`samples: prompt ${JSON.stringify(prompt)} is skipped: ${messageOf(thrown)}`);
      return false;
    }
  }
}
