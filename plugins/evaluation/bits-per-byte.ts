import { z } from 'zod';
import {
  Dataset,
  inject,
  On,
  Plugin,
  PluginConfig,
  UsageError,
  type Bindings,
  type Model,
  type Ranks,
  type Tokenizer,
} from '../../core/index.js';
import { Evaluators, type Evaluator, type EvaluatorContext } from './evaluators/evaluator.js';
import { textBytes } from './evaluators/text-bytes.js';
import { validationOptions, ValidationTotals, type ValidationTotal } from './evaluators/validation-totals.js';

const METRIC = 'val/bits_per_byte';

/** Loss per byte of text, which allows comparing models with different tokenizers. */
@Plugin({
  name: 'bits-per-byte',
  summary: 'Measures validation loss in bits per byte of text, comparable across tokenizers.',
  config: validationOptions,
  // That plugin replaces the data's tokenizer at `run:setup`.
  after: ['vocab-remap'],
  metrics: {
    [METRIC]: {
      unit: 'bits',
      what: 'validation loss over adjacent windows, per UTF-8 byte of text',
    },
    [`${METRIC}/*`]: {
      unit: 'bits',
      what: 'loss on a named set of `data.validation` over adjacent windows, per UTF-8 byte of text',
    },
  },
})
export default class BitsPerByte implements Evaluator {
  static register(bindings: Bindings): void {
    bindings.add(Evaluators, BitsPerByte);
  }

  readonly name = 'bits-per-byte';
  readonly interval: number;
  /** Bytes of text by the data's id and number of tokens. */
  readonly #bytes = new Map<string, number>();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof validationOptions>,
    @inject(ValidationTotals) private readonly totals: ValidationTotals,
    @inject(Dataset) private readonly data: Dataset,
  ) {
    this.interval = config.interval;
    totals.spellOut(METRIC);
  }

  @On('run:setup')
  check(): void {
    if (this.data.tokenizer !== undefined) return;
    throw new UsageError(
      'ESP_NO_TOKENIZER',
      'plugins.bits-per-byte: the tokenizer of the data is unknown, so its text cannot be restored; prepare it with `espalier prepare`, or turn the plugin off',
    );
  }

  run(
    model: Model,
    tokenizer: Tokenizer | undefined,
    ranks: Ranks,
    context: EvaluatorContext,
  ): Promise<Record<string, number>> {
    const measurement = { model, ranks, context, iters: this.config.iters };
    return this.totals.measure(METRIC, measurement, async (total) => {
      // NaN: the evaluation was stopped.
      if (Number.isNaN(total.nats) || tokenizer === undefined) return NaN;
      return total.nats / Math.LN2 / (await this.#bytesOf(total, tokenizer));
    });
  }

  async #bytesOf({ reader, tokens }: ValidationTotal, tokenizer: Tokenizer): Promise<number> {
    const key = `${reader.id} ${String(tokens)}`;
    const bytes = this.#bytes.get(key) ?? (await textBytes(reader, tokens, tokenizer));
    this.#bytes.set(key, bytes);
    return bytes;
  }
}
