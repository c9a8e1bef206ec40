import { token } from '../../../core/index.js';

export const weightRoles = ['matrix', 'embedding', 'head', 'norm', 'bias'] as const;

/** The role of a weight in its model. */
export interface WeightRole {
  /** `matrix`: of a layer within a block; `head`: the output layer, if it is not tied to the embedding. */
  readonly role: (typeof weightRoles)[number];
  /** Index of its block, from 0; undefined outside of blocks. */
  readonly depth?: number;
  /**
   * For a matrix [in, out] that is several side by side, such as a layer for queries, keys and values: the columns of
   * each, which sum to `out`. Default: it is one matrix.
   */
  readonly parts?: readonly number[];
}

/** Declares the roles of weights; bound by model plugins. */
export interface WeightRoles {
  /** Returns roles by the names of `Model.parameters()`, for the model's current shape. */
  weightRoles(): ReadonlyMap<string, WeightRole>;
}
export const WeightRoles = token<WeightRoles>('WeightRoles');
