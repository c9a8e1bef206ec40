import { token } from '../../../core/index.js';

export const weightRoles = ['matrix', 'embedding', 'head', 'norm', 'bias'] as const;

/** What a weight is in its model. */
export interface WeightRole {
  /** `matrix`: of a layer within a block; `head`: of the output, where it is not tied to the embedding. */
  readonly role: (typeof weightRoles)[number];
  /** Number of the block that it is in, from 0; undefined outside of blocks. */
  readonly depth?: number;
  /**
   * Of a matrix [in, out]: how many matrices of equal shape it holds side by side, as a layer for queries, keys and values
   * holds three; 1 when not given.
   */
  readonly parts?: number;
}

/** Bound by model plugins that say what their weights are. */
export interface WeightRoles {
  /** By the names of `Model.parameters()`, for the shape that the model has now. */
  weightRoles(): ReadonlyMap<string, WeightRole>;
}
export const WeightRoles = token<WeightRoles>('WeightRoles');
