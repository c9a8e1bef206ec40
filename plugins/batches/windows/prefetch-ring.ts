import type { BatchShape, SharedTokens } from '../../../core/index.js';

/** What becomes of a slot of the ring, in order. */
export const Slot = { empty: 0, asked: 1, reading: 2, ready: 3, failed: 4 } as const;

/** What the worker is started with: a ring of slots in shared memory, each for one batch. */
export interface Ring {
  readonly source: SharedTokens;
  readonly shape: BatchShape;
  readonly depth: number;
  /** State of each slot, and behind them a bell that rings when a batch is asked for. */
  readonly flags: Int32Array;
  /** [depth, batch]: where the windows of each slot start. */
  readonly starts: Float64Array;
  /** [depth, 2, batch, block]: inputs, then targets. */
  readonly tokens: Int32Array;
}

export function makeRing(source: SharedTokens, shape: BatchShape, depth: number): Ring {
  const { batchSize, blockSize } = shape;
  return {
    source,
    shape,
    depth,
    flags: new Int32Array(new SharedArrayBuffer(4 * (depth + 1))),
    starts: new Float64Array(new SharedArrayBuffer(8 * depth * batchSize)),
    tokens: new Int32Array(new SharedArrayBuffer(8 * depth * batchSize * blockSize)),
  };
}
