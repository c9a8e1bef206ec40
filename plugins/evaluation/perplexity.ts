import { z } from 'zod';
import {
  inject,
  Plugin,
  PluginConfig,
  type Bindings,
  type Model,
  type Ranks,
  type Tokenizer,
} from '../../core/index.js';
import { Evaluators, type Evaluator, type EvaluatorContext } from './evaluators/evaluator.js';
import { validationOptions, ValidationTotals } from './evaluators/validation-totals.js';

const METRIC = 'val/perplexity';

@Plugin({
  name: 'perplexity',
  summary: 'Measures the perplexity of the validation data: exp of its mean loss.',
  config: validationOptions,
  metrics: {
    [METRIC]: { unit: '', what: 'exp of the mean validation loss over adjacent windows' },
    [`${METRIC}/*`]: {
      unit: '',
      what: 'exp of the mean loss on a named set of `data.validation` over adjacent windows',
    },
  },
})
export default class Perplexity implements Evaluator {
  static register(bindings: Bindings): void {
    bindings.add(Evaluators, Perplexity);
  }

  readonly name = 'perplexity';
  readonly interval: number;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof validationOptions>,
    @inject(ValidationTotals) private readonly totals: ValidationTotals,
  ) {
    this.interval = config.interval;
    totals.spellOut(METRIC);
  }

  run(
    model: Model,
    _tokenizer: Tokenizer | undefined,
    ranks: Ranks,
    context: EvaluatorContext,
  ): Promise<Record<string, number>> {
    const measurement = { model, ranks, context, iters: this.config.iters };
    return this.totals.measure(METRIC, measurement, ({ nats, targets }) =>
      Math.min(Number.MAX_VALUE, Math.exp(nats / targets)),
    );
  }
}
