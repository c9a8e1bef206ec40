/** A binary heap of indices by score, highest first; among equal scores the lowest index first. */
export class Ranking {
  readonly #heap: number[];

  constructor(private readonly scores: number[]) {
    this.#heap = [...scores.keys()].sort((a, b) => this.#order(a, b));
  }

  top(): number {
    return this.#heap[0] ?? -1;
  }

  /** Lowers the score of the top. @returns whether another index is now the top */
  lower(score: number): boolean {
    const top = this.top();
    if (this.scores[top] === score) return false;
    this.scores[top] = score;
    this.#sink();
    return this.top() !== top;
  }

  /** Removes the top. */
  drop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  /** Returns the remaining indices in order. */
  rest(): number[] {
    return [...this.#heap].sort((a, b) => this.#order(a, b));
  }

  #sink(): void {
    let at = 0;
    for (;;) {
      let best = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.#heap.length && this.#order(this.#at(child), this.#at(best)) < 0) best = child;
      }
      if (best === at) return;
      const moved = this.#at(at);
      this.#heap[at] = this.#at(best);
      this.#heap[best] = moved;
      at = best;
    }
  }

  #at(place: number): number {
    return this.#heap[place] ?? -1;
  }

  #order(a: number, b: number): number {
    return (this.scores[b] ?? 0) - (this.scores[a] ?? 0) || a - b;
  }
}
