let session: object | undefined;

/**
 * Runs work during which no weight changes, such as generating text: an engine may keep forms of the weights that are
 * faster to multiply by, until the work is done.
 */
export function withConstantWeights<T>(work: () => T): T {
  return constantWeightsScope()(work);
}

/** Returns what runs work as `withConstantWeights` does, where no weight changes between its calls either. */
export function constantWeightsScope(): <T>(work: () => T) => T {
  const own = {};
  return (work) => {
    const outer = session;
    session ??= own;
    try {
      return work();
    } finally {
      session = outer;
    }
  };
}

/** For engines: stands for the current work of that kind; undefined outside of it. */
export function constantWeights(): object | undefined {
  return session;
}
