import { listToken, type Engine, type Model, type Ranks, type Tokenizer } from '../../../core/index.js';

/** What an evaluator gets besides model, tokenizer and ranks. */
export interface EvaluatorContext {
  /** The model's engine: call `useEngine` with it after each `await`. */
  readonly engine: Engine;
  /**
   * Returns true if the run should stop. Then make the remaining calls of `ranks.average`, since other ranks may not
   * have stopped, and return. The result is discarded, and the resumed run repeats the evaluation.
   */
  readonly stop: () => boolean;
  /** Call it after each piece of work with the number done and the total, for the progress line. */
  readonly onBatch: (done: number, of: number) => void | Promise<void>;
}

/**
 * Measures a model at the evaluations of a run, and in `espalier evaluate`. A plugin adds it to `Evaluators`. Its
 * constructor may inject what the core gives every plugin, and what the slots engine, tokenizer, data, batches and
 * model bind: `espalier evaluate` has nothing else.
 */
export interface Evaluator {
  /** Unique name, for `espalier evaluate --only`. */
  readonly name: string;
  /** Metrics that `run` always returns; default: all that its plugin declares, except patterns. */
  readonly metrics?: readonly string[] | undefined;
  /**
   * Iterations between measurements, which happen at evaluations on a multiple of it and at the last one; default, or
   * 0: at every evaluation.
   */
  readonly interval?: number | undefined;
  /**
   * Returns metrics by name, finite or NaN; the plugin must declare each. Dropout is off unless it passes the model a
   * `pass`. All ranks call it, and all must return the same numbers.
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
