import { fillNormals, placeAfter } from './normals.js';

/** Numbers per piece; one thread draws a piece. */
export const PIECE = 1 << 15;
/** Pieces per round. */
export const PIECES = 64;

/** Memory shared by the drawing threads. */
export interface DrawingMemory {
  /** Indexed by `Control`. */
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Key, lane and counter of the first number, count of numbers, and deviation. */
  readonly what: Float64Array<SharedArrayBuffer>;
  /** [PIECES · PIECE] */
  readonly values: Float32Array<SharedArrayBuffer>;
}

export const Control = {
  /** Changes with every round. */
  round: 0,
  pieces: 1,
  /** The next piece to draw. */
  next: 2,
  done: 3,
  /** 1 if there are no more rounds. */
  ended: 4,
} as const;

/** Above every piece's index: there is nothing to take. */
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
