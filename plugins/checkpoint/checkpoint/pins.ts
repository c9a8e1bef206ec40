/**
 * Iterations whose checkpoints plugins have pinned. An owner's previous pin is kept until the new one is on disk, and
 * stands in for it if it cannot be written.
 */
export class Pins {
  /** By owner: the pinned iteration, then the earlier ones that are kept until it is on disk. */
  readonly #pinned = new Map<string, readonly number[]>();
  /** Pinned iterations that could not be written. */
  readonly #missing = new Set<number>();

  pin(owner: string, iteration: number | undefined): void {
    const before = this.#pinned.get(owner) ?? [];
    if (iteration === undefined) this.#pinned.delete(owner);
    else if (before[0] !== iteration) {
      const there = before.filter((each) => each < iteration && !this.#missing.has(each));
      this.#pinned.set(owner, [iteration, ...there]);
      this.#missing.delete(iteration);
    }
  }

  written(iteration: number): void {
    this.#missing.delete(iteration);
    for (const [owner, [first, ...rest]] of this.#pinned) {
      if (first === iteration && rest.length > 0) this.#pinned.set(owner, [first]);
    }
  }

  failed(iteration: number): void {
    if (this.iterations().includes(iteration)) this.#missing.add(iteration);
  }

  /** Returns the iteration to use instead of a pinned one that could not be written; undefined if there is none. */
  standInFor(iteration: number): number | undefined {
    if (!this.#missing.has(iteration)) return undefined;
    const [, ...before] = [...this.#pinned.values()].find(([first]) => first === iteration) ?? [];
    return before.find((each) => !this.#missing.has(each));
  }

  iterations(): number[] {
    return [...this.#pinned.values()].flat();
  }

  /** Returns only pins that could not be written: owners repeat the others after a resume. */
  state(): Record<string, number[]> | undefined {
    const kept = [...this.#pinned].filter(([, [first]]) => first !== undefined && this.#missing.has(first));
    return kept.length === 0 ? undefined : Object.fromEntries(kept.map(([owner, all]) => [owner, [...all]]));
  }

  restore(state: Readonly<Record<string, readonly number[]>> | undefined): void {
    for (const [owner, all] of Object.entries(state ?? {})) {
      this.#pinned.set(owner, all);
      if (all[0] !== undefined) this.#missing.add(all[0]);
    }
  }
}
