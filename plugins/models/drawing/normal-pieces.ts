import { fillNormals, placeAfter } from './normals.js';

/** Numbers of a piece, which one thread draws. */
export const PIECE = 1 << 15;
/** Pieces that are shared out at a time. */
export const PIECES = 64;

/** What threads that draw together share. */
export interface DrawingMemory {
  /** By `Control`. */
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Key, lane and counter of the first number, number of numbers, and deviation. */
  readonly what: Float64Array<SharedArrayBuffer>;
  /** [PIECES · PIECE] */
  readonly values: Float32Array<SharedArrayBuffer>;
}

export const Control = {
  /** Changes with every round. */
  round: 0,
  pieces: 1,
  /** The piece that is drawn next. */
  next: 2,
  done: 3,
  /** 1: there are no more rounds. */
  ended: 4,
} as const;

/** Higher than any piece: there is nothing to take. */
export const NOTHING = 1 << 30;

/** Draws pieces of the current round until all are taken. */
export function drawPieces({ control, what, values }: DrawingMemory): void {
  for (;;) {
    const piece = Atomics.add(control, Control.next, 1);
    if (piece >= Atomics.load(control, Control.pieces)) return;
    const [key0 = 0, key1 = 0, lane0 = 0, lane1 = 0, counter = 0, count = 0, deviation = 0] = what;
    const first = piece * PIECE;
    const place = placeAfter({ key: [key0, key1], lane: [lane0, lane1], counter }, first);
    fillNormals(values.subarray(first, Math.min(first + PIECE, count)), place, deviation);
    Atomics.add(control, Control.done, 1);
    Atomics.notify(control, Control.done);
  }
}
