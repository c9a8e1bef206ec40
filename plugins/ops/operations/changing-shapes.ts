let depth = 0;

/** Runs work whose tensors have other shapes at every turn, as generation's have: an engine compiles nothing for it. */
export function withChangingShapes<T>(work: () => T): T {
  depth++;
  try {
    return work();
  } finally {
    depth--;
  }
}

/** For engines: whether what is computed now is of such work. */
export function shapesChange(): boolean {
  return depth > 0;
}
