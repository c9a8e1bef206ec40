import type { Batch, Model } from '../../../core/index.js';
import type { CountedTargets, LossInParts, Models, TrainingLoss } from '../../../core/runs.js';
import { LossTerms, type LossTerm } from '../../losses/contract.js';
import { checkBatch, countedTargets } from './batch.js';
import { IgnoredTargets } from './ignored-targets.js';
import { lossParts } from './loss-parts.js';
import { activeTerms, checkTerms } from './loss-terms.js';

/** Cross-entropy plus the loss terms that plugins add. */
export class TermedLoss implements TrainingLoss {
  readonly #terms: readonly LossTerm[];
  readonly #ignored: IgnoredTargets;

  /** @throws UsageError as in `Models.trainingLoss` */
  constructor({ bound, metrics, placeOf, warn }: Parameters<Models['trainingLoss']>[0]) {
    this.#ignored = new IgnoredTargets(warn);
    this.#terms = bound(LossTerms) ?? [];
    checkTerms(this.#terms, metrics, placeOf);
  }

  inParts(): LossInParts {
    const active = activeTerms(this.#terms);
    const terms = active.map(({ term }) => term);
    return {
      terms: terms.map(({ name }) => name),
      termWeights: active.map(({ weight }) => weight),
      isRepeatable: terms.every(({ varies }) => varies !== true),
      compute: (model, inputs, pass) => lossParts(model, inputs, terms, pass),
    };
  }

  count(model: Model, batch: Batch, from: () => string): CountedTargets {
    checkBatch(batch, model, from);
    return countedTargets(batch);
  }

  look(model: Model, batch: Batch, counted: number): void {
    this.#ignored.look(model, batch, counted);
  }

  skipped(iterations: number): void {
    this.#ignored.skipped(iterations);
  }
}
