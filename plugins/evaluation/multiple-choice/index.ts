import { z } from 'zod';
import {
  ConfigPlaces,
  Dataset,
  inject,
  MetricNames,
  Model,
  On,
  Plugin,
  PluginConfig,
  RunConfig,
  RunFolder,
  type Bindings,
  type Ranks,
  type Tokenizer,
} from '../../../core/index.js';
import { Evaluators, type Evaluator, type EvaluatorContext } from '../evaluators/evaluator.js';
import { neededTokenizer } from '../evaluators/encode.js';
import { exampleOptions, ExampleSets } from '../evaluators/example-sets.js';
import { sharesOf, spellOutShares, type Shares } from '../evaluators/shares.js';
import { questionOf, recordSchema, type Question } from './questions.js';
import { batchesOf, countRight, scoresOf } from './score.js';

const NAME = 'multiple-choice';
const METRICS = ['accuracy', 'accuracy_norm'];
const options = z.strictObject(exampleOptions).meta({ resume: 'free' });

/**
 * Source: Zellers et al., "HellaSwag: can a machine really finish your sentence?", 2019; scores as in `hellaswag.py` of
 * Karpathy's build-nanogpt.
 */
@Plugin({
  name: NAME,
  summary: 'Measures how often the right ending of a text is the most likely of several, as in HellaSwag.',
  config: options,
  after: ['evaluation', 'vocab-remap'],
  metrics: {
    '*/accuracy': {
      unit: 'share',
      what: 'share of questions whose right ending has the largest sum of log-probabilities',
    },
    '*/accuracy_norm': {
      unit: 'share',
      what: 'share of questions whose right ending has the largest mean log-probability per token',
    },
  },
})
export default class MultipleChoice implements Evaluator {
  static register(bindings: Bindings): void {
    bindings.add(Evaluators, MultipleChoice);
  }

  readonly name = NAME;
  readonly interval: number;
  readonly metrics: readonly string[];
  readonly #sets: ExampleSets<typeof recordSchema, Question>;

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(RunConfig) private readonly runConfig: RunConfig,
    @inject(RunFolder) folder: RunFolder,
    @inject(ConfigPlaces) places: ConfigPlaces,
    @inject(Dataset) private readonly data: Dataset,
    @inject(Model) model: Model,
    @inject(MetricNames) names: MetricNames,
  ) {
    this.interval = config.interval;
    this.metrics = spellOutShares(names, Object.keys(config.files), METRICS);
    this.#sets = new ExampleSets({ plugin: NAME, config, folder, places }, recordSchema, (example, tokenizer) =>
      questionOf(example, tokenizer, model.blockSize),
    );
  }

  @On('run:setup')
  async check(): Promise<void> {
    await this.#sets.encoded(neededTokenizer(this.data.tokenizer, NAME));
  }

  async run(model: Model, tokenizer: Tokenizer | undefined, ranks: Ranks, context: EvaluatorContext): Promise<Shares> {
    const tokens = this.runConfig.train.batch_size * model.blockSize;
    const sets = [...(await this.#sets.encoded(neededTokenizer(tokenizer, NAME)))].map(([name, questions]) => ({
      name,
      pieces: batchesOf(questions, tokens),
      examples: questions.length,
    }));
    const count = (batch: readonly Question[]): readonly number[] => countRight(batch, scoresOf(model, batch));
    return sharesOf(sets, { metrics: METRICS, count }, ranks, context);
  }
}
