import { z } from 'zod';
import {
  ConfigPlaces,
  Dataset,
  inject,
  MetricNames,
  type Model,
  On,
  Plugin,
  PluginConfig,
  type RandomStream,
  RandomStreams,
  RunFolder,
  type Bindings,
  type Ranks,
  type Tokenizer,
} from '../../../core/index.js';
import { writeText } from '../../sampling/contract.js';
import { Evaluators, type Evaluator, type EvaluatorContext } from '../evaluators/evaluator.js';
import { encodeExample, neededTokenizer } from '../evaluators/encode.js';
import { badExample, type Example } from '../evaluators/example-file.js';
import { exampleOptions, ExampleSets } from '../evaluators/example-sets.js';
import { sharesOf, spellOutShares, type Shares } from '../evaluators/shares.js';

const NAME = 'generation';
const METRICS = ['exact_match'];
const options = z
  .strictObject({
    ...exampleOptions,
    max_tokens: z.int().min(1).default(64).describe('largest number of tokens in an answer'),
    stop: z.array(z.string().min(1)).default(['\n']).describe('texts that end an answer; they are not part of it'),
    temperature: z.number().min(0).default(0).describe('sampling temperature; 0 always takes the most likely token'),
  })
  .meta({ resume: 'free' });

const recordSchema = z.looseObject({
  prompt: z.string().min(1, 'give at least one character'),
  answer: z.string().refine((answer) => answer.trim() !== '', 'give at least one character that is not a space'),
});
type Prompt = z.output<typeof recordSchema>;

interface Piece {
  readonly record: Prompt;
  readonly random: RandomStream;
}

/** Each example has a random stream of its own, the same at every evaluation and on any rank. */
@Plugin({
  name: NAME,
  summary: 'Generates answers to prompts, and measures how often they match exactly.',
  config: options,
  after: ['evaluation', 'vocab-remap'],
  metrics: {
    '*/exact_match': { unit: 'share', what: 'share of prompts answered correctly, ignoring spaces around the answer' },
  },
})
export default class Generation implements Evaluator {
  static register(bindings: Bindings): void {
    bindings.add(Evaluators, Generation);
  }

  readonly name = NAME;
  readonly interval: number;
  readonly metrics: readonly string[];
  readonly #sets: ExampleSets<typeof recordSchema, Prompt>;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunFolder) folder: RunFolder,
    @inject(ConfigPlaces) places: ConfigPlaces,
    @inject(Dataset) private readonly data: Dataset,
    @inject(RandomStreams) private readonly random: RandomStreams,
    @inject(MetricNames) names: MetricNames,
  ) {
    this.interval = config.interval;
    this.metrics = spellOutShares(names, Object.keys(config.files), METRICS);
    this.#sets = new ExampleSets({ plugin: NAME, config, folder, places }, recordSchema, (example, tokenizer) =>
      this.#checked(example, tokenizer),
    );
  }

  @On('run:setup')
  async check(): Promise<void> {
    await this.#sets.encoded(neededTokenizer(this.data.tokenizer, NAME));
  }

  async run(model: Model, given: Tokenizer | undefined, ranks: Ranks, context: EvaluatorContext): Promise<Shares> {
    const tokenizer = neededTokenizer(given, NAME);
    const sets = [...(await this.#sets.encoded(tokenizer))].map(([name, records], set) => ({
      name,
      pieces: records.map((record, index) => ({ record, random: this.random.at(NAME, index, set) })),
      examples: records.length,
    }));
    const stopIds = tokenizer.endOfText === undefined ? [] : [tokenizer.endOfText];
    const count = async ({ record: { prompt, answer }, random }: Piece): Promise<number[]> => {
      const { max_tokens: tokens, temperature, stop } = this.config;
      const choices = { prompt, tokens, temperature, topK: 0, stop, stopIds, engine: context.engine };
      const { text } = await writeText(model, tokenizer, { ...choices, random: () => random.float() });
      return [text.trim() === answer.trim() ? 1 : 0];
    };
    return sharesOf(sets, { metrics: METRICS, count }, ranks, context);
  }

  /** @throws UsageError when prompt or answer cannot be encoded, or the answer is too long or contains a stop text */
  async #checked({ record, place }: Example<Prompt>, tokenizer: Tokenizer): Promise<Prompt> {
    await encodeExample(tokenizer, record.prompt, `${place}: prompt`);
    const answer = await encodeExample(tokenizer, record.answer.trim(), `${place}: answer`);
    const { max_tokens: most, stop } = this.config;
    const found = stop.find((text) => record.answer.trim().includes(text));
    if (found !== undefined) {
      throw badExample(
        `${place}: answer`,
        `contains ${JSON.stringify(found)}, which would end the answer: change plugins.${NAME}.stop`,
      );
    }
    if (answer.length > most) {
      throw badExample(
        `${place}: answer`,
        `has ${String(answer.length)} tokens, and plugins.${NAME}.max_tokens is ${String(most)}: raise it`,
      );
    }
    return record;
  }
}
