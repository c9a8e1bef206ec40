import { listToken, type Engine, type Model, type Ranks, type Tokenizer } from '../../../core/index.js';

/** What an evaluator is given besides model, tokenizer and ranks. */
export interface EvaluatorContext {
  /** The engine that the model computes with: make it current with `useEngine` after each `await`. */
  readonly engine: Engine;
  /** True when the run is asked to stop: return what there is, it is thrown away. */
  readonly stop: () => boolean;
  /** To be called after each piece of work with what is done and the total, for the progress line. */
  readonly onBatch: (done: number, of: number) => void | Promise<void>;
}

/** Measures a model: at the evaluations of a run, and by `espalier evaluate`. A plugin adds it to `Evaluators`. */
export interface Evaluator {
  /** Unique; what `espalier evaluate --only` takes. */
  readonly name: string;
  /** Iterations between its measurements, at evaluations that fall on them; without it, every evaluation. */
  readonly interval?: number | undefined;
  /**
   * Returns its metrics by name; each is one that its plugin declares. All ranks call it, and all return the same numbers.
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
