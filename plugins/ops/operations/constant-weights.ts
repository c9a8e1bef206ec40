let session: object | undefined;

/**
 * Runs work during which no weight changes, such as generating text: an engine may keep weights in a form that is
 * faster to multiply by until the work is done.
 */
export function withConstantWeights<T>(work: () => T): T {
  return constantWeightsScope()(work);
}

/**
 * Returns a function that runs work like `withConstantWeights`, for several calls between which no weight changes
 * either.
 */
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

/** For engines: identifies the current work of that kind; undefined outside of it. */
export function constantWeights(): object | undefined {
  return session;
}
