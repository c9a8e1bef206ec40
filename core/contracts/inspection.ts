import type { StoredTensor } from './checkpoint-store.js';
import { token } from './token.js';

/** A matrix of plain numbers. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns], row-major. */
  readonly values: Float32Array | Float64Array;
}

/** The projections of a block, each [in, out], as it computes with them: what LoRA adds is in them. */
export interface BlockView {
  readonly queries: Matrix;
  readonly keys: Matrix;
  readonly values: Matrix;
  /** Into the MLP's hidden units, and out of them. */
  readonly up: Matrix;
  readonly down: Matrix;
}

/** A model's parts, from a copy of its weights: plain arithmetic without tensors, for a thread that has no engine. */
export interface ModelView {
  /** [vocabulary, width], with what LoRA adds. */
  readonly tokenEmbedding: Matrix;
  readonly blocks: readonly BlockView[];
  /**
   * Computes the attention weights of one window, dropout off.
   * @param visit called for each head of each block with its weights [time, time], row-major: row t is how position t
   * attends to 0 … t. The array is used again: copy what is kept
   */
  attention(ids: Int32Array, visit: (block: number, head: number, weights: Float64Array) => void): void;
}

/** How a worker thread makes the view: `module` exports `viewModel(data, weights)`, which returns a `ModelView`. */
export interface SharedView {
  /** URL of a module that is quick to load. */
  readonly module: string;
  /** What can be posted to a worker: the model's shape as it is now. */
  readonly data: unknown;
}

/** What `SharedView.module` exports. */
export interface ViewModule {
  /** @param weights copies of `Model.parameters()` */
  viewModel(data: unknown, weights: ReadonlyMap<string, StoredTensor>): ModelView;
}

/** A model that can be looked into while it trains; bound by model plugins that offer it. Ask for it with `isOptional`. */
export interface InspectableModel {
  shareView(): SharedView;
}
export const InspectableModel = token<InspectableModel>('InspectableModel');
