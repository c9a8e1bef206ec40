import { token } from '../../../core/index.js';

export const weightRoles = ['matrix', 'embedding', 'head', 'norm', 'bias'] as const;

/** What a weight is in its model. */
export interface WeightRole {
  /** `matrix`: of a layer within a block; `head`: of the output, where it is not tied to the embedding. */
  readonly role: (typeof weightRoles)[number];
  /** Number of the block that it is in, from 0; undefined outside of blocks. */
  readonly depth?: number;
  /**
   * Of a matrix [in, out] that holds several side by side, as a layer for queries, keys and values does: the columns of
   * each, which sum to `out`. Default: it is one.
   */
  readonly parts?: readonly number[];
}

/** Bound by model plugins that say what their weights are. */
export interface WeightRoles {
  /** By the names of `Model.parameters()`, for the shape that the model has now. */
  weightRoles(): ReadonlyMap<string, WeightRole>;
}
export const WeightRoles = token<WeightRoles>('WeightRoles');
