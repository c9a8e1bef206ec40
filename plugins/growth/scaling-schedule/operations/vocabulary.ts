import { z } from 'zod';
import { UsageError } from '../../../../core/index.js';
import type { GrowthStep, ShrunkenVocabulary } from '../../shared/growable.js';
import type { Operation, PlannedRun } from '../../shared/operation.js';
import type { ModelGrowth } from '../../shared/model-growth.js';

/** Gives the model an embedding row for every token of the data again: `[source_token_id, noise_std]`. */
export class ResizeVocabulary implements Operation {
  readonly name = 'resize_vocabulary';
  readonly value = z.tuple([z.int().min(0).nullable(), z.number().min(0)]);

  constructor(private readonly growth: ModelGrowth) {}

  plan(value: unknown, run: PlannedRun): void {
    if (run.vocabulary !== 'shrunken') throw notThere('it is not shrunken');
    this.growth.plan(run, this.#step(value, shrunkenOf(this.growth)));
    run.vocabulary = 'resized';
  }

  apply(value: unknown): void {
    const vocabulary = shrunkenOf(this.growth);
    const step = this.#step(value, vocabulary);
    this.growth.apply(step);
    // Until remapping is disabled, the first token that was not kept stands for all of those.
    vocabulary.resized(Math.max(0, step.kept.indexOf(false)));
  }

  #step(value: unknown, vocabulary: ShrunkenVocabulary): Extract<GrowthStep, { kind: 'resize_vocabulary' }> {
    const [source, noise] = this.value.parse(value);
    const rows = [...vocabulary.rows()];
    const rare = Math.max(...rows);
    const kept = rows.map((row) => row !== rare);
    return { kind: 'resize_vocabulary', rows: rows.map((row) => (row === rare ? (source ?? rare) : row)), kept, noise };
  }
}

/** Stops remapping: tokens keep their own ids, so the model must have a row for each. */
export class DisableVocabRemapping implements Operation {
  readonly name = 'disable_vocab_remapping';
  readonly value = z.union([z.null(), z.literal(true)]);

  constructor(private readonly growth: ModelGrowth) {}

  plan(_value: unknown, run: PlannedRun): void {
    if (run.vocabulary === 'shrunken')
      throw notThere('the model has no rows for its tokens yet: resize_vocabulary comes first');
    if (run.vocabulary !== 'resized') throw notThere('it is not shrunken');
    run.vocabulary = 'off';
  }

  apply(): void {
    shrunkenOf(this.growth).disable();
  }
}

function shrunkenOf(growth: ModelGrowth): ShrunkenVocabulary {
  const { vocabulary } = growth;
  if (vocabulary === undefined) throw notThere('it is not shrunken');
  return vocabulary;
}

function notThere(what: string): UsageError {
  return new UsageError(
    'ESP_GROWTH',
    `the vocabulary cannot grow back at this step: ${what} (plugins.vocab-remap shrinks it)`,
  );
}
