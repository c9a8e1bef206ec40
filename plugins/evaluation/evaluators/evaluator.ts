import { listToken, type Engine, type Model, type Ranks, type Tokenizer } from '../../../core/index.js';

/** What an evaluator is given besides model, tokenizer and ranks. */
export interface EvaluatorContext {
  /** The engine that the model computes with: make it current with `useEngine` after each `await`. */
  readonly engine: Engine;
  /**
   * True if the run is asked to stop: make the calls of `ranks.average` that are left, since another rank may not have
   * stopped, and return. What is returned is thrown away, and the run that resumes makes the evaluation again.
   */
  readonly stop: () => boolean;
  /** To be called after each piece of work with what is done and the total, for the progress line. */
  readonly onBatch: (done: number, of: number) => void | Promise<void>;
}

/**
 * Measures a model: at the evaluations of a run, and by `espalier evaluate`. A plugin adds it to `Evaluators`. Its
 * constructor may ask for what the core gives every plugin and for what the slots engine, tokenizer, data, batches and
 * model bind: `espalier evaluate` has no others.
 */
export interface Evaluator {
  /** Unique; what `espalier evaluate --only` takes. */
  readonly name: string;
  /** Names of the metrics that `run` always returns; by default all that its plugin declares, without patterns. */
  readonly metrics?: readonly string[] | undefined;
  /**
   * Iterations between its measurements, at evaluations that fall on them, and at the last; without it, or with 0, at
   * every evaluation.
   */
  readonly interval?: number | undefined;
  /**
   * Returns its metrics by name, finite or NaN; each is one that its plugin declares. Dropout is off as long as it gives
   * the model no `pass`. All ranks call it, and all return the same numbers.
   * @param tokenizer of the data, if it is known
   */
  run(
    model: Model,
    tokenizer: Tokenizer | undefined,
    ranks: Ranks,
    context: EvaluatorContext,
  ): Promise<Readonly<Record<string, number>>>;
}
export const Evaluators = listToken<Evaluator>('Evaluators');
