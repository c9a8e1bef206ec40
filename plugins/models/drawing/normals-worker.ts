import { workerData } from 'node:worker_threads';
import { Control, drawPieces, type DrawingMemory } from './normal-pieces.js';

/** Draws pieces of every round until there are no more. */
const memory = workerData as DrawingMemory;
const { control } = memory;
while (Atomics.load(control, Control.ended) === 0) {
  const round = Atomics.load(control, Control.round);
  drawPieces(memory);
  Atomics.wait(control, Control.round, round);
}
