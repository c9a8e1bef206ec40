import { tf } from '../../../core/index.js';

let depth = 0;

/** Runs work whose tensor shapes change every time, such as generation: an engine compiles nothing for it. */
export function withChangingShapes<T>(work: () => T): T {
  depth++;
  try {
    return work();
  } finally {
    depth--;
  }
}

/** For engines: returns whether the current operation is part of such work. */
export function shapesChange(): boolean {
  return depth > 0;
}

const padding = new Set<string>();
const SHORTEST = 32;
const STEP = 4;

/** For engines that compile for each shape: generation then pads texts to a few lengths on this backend. */
export function padLengthsOn(backend: string): void {
  padding.add(backend);
}

/**
 * Returns the length to pad a text to that is generated: itself, or on backends of `padLengthsOn` the next of 32, 128,
 * 512, …
 * @param most the context, which is never exceeded
 */
export function paddedLength(length: number, most: number): number {
  if (!padding.has(tf.getBackend())) return length;
  let padded = SHORTEST;
  while (padded < length) padded *= STEP;
  return Math.min(padded, most);
}
