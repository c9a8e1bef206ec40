import { z } from 'zod';
import {
  Dataset,
  inject,
  injectable,
  MetricNames,
  RunConfig,
  type Model,
  type Ranks,
  type TokenReader,
} from '../../../core/index.js';
import { lossTotal } from '../loss/estimate-loss.js';
import { setIn, setsOf } from '../loss/validation-sets.js';
import type { EvaluatorContext } from './evaluator.js';

/** Options of evaluators that use `ValidationTotals`. */
export const validationOptions = z
  .strictObject({
    interval: z.int().min(0).default(0).describe('iterations between measurements; 0: at every evaluation'),
    iters: z.int().min(0).default(0).describe('batches to use from the start of the validation data; 0: all'),
  })
  .meta({ resume: 'free' });

/** Total loss over validation data. */
export interface ValidationTotal {
  readonly reader: TokenReader;
  /** Sum of the losses of all counted targets. */
  readonly nats: number;
  /** Number of counted targets: those among tokens 1 to `tokens` of the reader that are not ignored. */
  readonly targets: number;
  readonly tokens: number;
}

interface Measurement {
  readonly model: Model;
  readonly ranks: Ranks;
  readonly context: EvaluatorContext;
  /** Batches per rank, from the start of the data; 0: all. */
  readonly iters: number;
}

/** Measures the split `val` and each named set, for evaluators whose metric is a function of the validation loss. */
@injectable()
export class ValidationTotals {
  constructor(
    @inject(RunConfig) private readonly run: RunConfig,
    @inject(Dataset) private readonly data: Dataset,
    @inject(MetricNames) private readonly metrics: MetricNames,
  ) {}

  /** Registers the metric's name for each named set, in place of the declared pattern. */
  spellOut(metric: string): void {
    this.metrics.spellOut(
      `${metric}/*`,
      setsOf(this.data).map((set) => `${metric}/${set}`),
    );
  }

  /** Returns the values of `metric`, and of `metric/NAME` for each named set. */
  async measure(
    metric: string,
    measurement: Measurement,
    valueOf: (total: ValidationTotal) => number | Promise<number>,
  ): Promise<Record<string, number>> {
    const values: Record<string, number> = {};
    const sets = setsOf(this.data).map((set) => [`${metric}/${set}`, setIn(this.data, set)] as const);
    for (const [name, reader] of [[metric, this.data.split('val')] as const, ...sets]) {
      values[name] = await valueOf(await this.#total(reader, measurement));
    }
    return values;
  }

  async #total(reader: TokenReader, { model, ranks, context, iters }: Measurement): Promise<ValidationTotal> {
    const shape = { batchSize: this.run.train.batch_size, blockSize: model.blockSize };
    const most = iters === 0 ? Infinity : iters * ranks.size * shape.batchSize;
    const { sum, weight, windows } = await lossTotal(model, reader, shape, { ...context, ranks }, most);
    return { reader, nats: sum, targets: weight, tokens: windows * shape.blockSize };
  }
}
