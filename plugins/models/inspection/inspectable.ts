import { token, type StoredTensor } from '../../../core/index.js';

/** A matrix of plain numbers. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns], row-major. */
  readonly values: Float32Array | Float64Array;
}

/** The projections of a block, each [in, out], with LoRA merged in. */
export interface BlockView {
  readonly queries: Matrix;
  readonly keys: Matrix;
  readonly values: Matrix;
  /** Into the MLP's hidden units, and out of them. */
  readonly up: Matrix;
  readonly down: Matrix;
}

/** A model's parts, computed from a copy of its weights in plain arithmetic, for a thread without an engine. */
export interface ModelView {
  /** [vocabulary, width], with LoRA merged in. */
  readonly tokenEmbedding: Matrix;
  readonly blocks: readonly BlockView[];
  /**
   * Computes the attention weights of one window, without dropout.
   * @param visit called for each head of each block with its weights [time, time], row-major: row t is the attention of
   * position t to 0 … t. The array is reused: copy what you keep
   */
  attention(ids: Int32Array, visit: (block: number, head: number, weights: Float64Array) => void): void;
}

/** How a worker thread creates the view: `module` exports `viewModel(data, weights)`, which returns a `ModelView`. */
export interface SharedView {
  /** URL of a module that loads fast. */
  readonly module: string;
  /** The model's current shape; can be posted to a worker. */
  readonly data: unknown;
}

/** Exports of `SharedView.module`. */
export interface ViewModule {
  /** @param weights copies of `Model.parameters()` */
  viewModel(data: unknown, weights: ReadonlyMap<string, StoredTensor>): ModelView;
}

/**
 * A model that can be inspected during training. Model plugins that support it bind this; inject it with `isOptional`.
 */
export interface InspectableModel {
  shareView(): SharedView;
}
export const InspectableModel = token<InspectableModel>('InspectableModel');
