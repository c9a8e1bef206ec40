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
