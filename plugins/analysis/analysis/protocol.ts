import type { SharedView } from '../../models/contract.js';
import type { OwnTensor } from '../../checkpoint/contract.js';

/** When a snapshot was taken. */
export interface Moment {
  /** Iterations done. */
  readonly iteration: number;
  /** Training tokens seen. */
  readonly tokens: number;
}

/** A snapshot to analyse. */
export interface Task {
  readonly at: Moment;
  readonly view: SharedView;
  readonly weights: ReadonlyMap<string, OwnTensor>;
  /** Tokens to compare. */
  readonly ids: Int32Array;
  readonly windows: readonly Int32Array[];
}

export interface Measured {
  readonly type: 'measured';
  readonly at: Moment;
  readonly values: Readonly<Record<string, number>>;
}

export interface Failed {
  readonly type: 'failed';
  readonly at: Moment;
  readonly message: string;
}

export type Answer = Measured | Failed;
