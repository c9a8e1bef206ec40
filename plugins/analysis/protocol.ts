import type { OwnTensor, SharedView } from '../../core/index.js';

/** A snapshot to analyse. */
export interface Task {
  /** Iterations done when it was taken. */
  readonly iteration: number;
  readonly view: SharedView;
  readonly weights: ReadonlyMap<string, OwnTensor>;
  /** Ids that are compared. */
  readonly tokens: Int32Array;
  readonly windows: readonly Int32Array[];
}

export interface Measured {
  readonly type: 'measured';
  readonly iteration: number;
  readonly values: Readonly<Record<string, number>>;
}

export interface Failed {
  readonly type: 'failed';
  readonly iteration: number;
  readonly message: string;
}

export type Answer = Measured | Failed;
