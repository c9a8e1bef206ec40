/**
 * Draws from non-negative numbers in proportion to their size. Sums depend on the current numbers alone, not on past
 * updates.
 */
export class SumTree {
  /** A heap: node n is the sum of nodes 2n and 2n + 1; the numbers are its leaves. */
  readonly #sums: Float64Array;
  readonly #firstLeaf: number;

  constructor(values: Iterable<number> & { readonly length: number }) {
    this.#firstLeaf = 2 ** Math.ceil(Math.log2(Math.max(1, values.length)));
    this.#sums = new Float64Array(2 * this.#firstLeaf);
    this.#sums.set([...values], this.#firstLeaf);
    for (let node = this.#firstLeaf - 1; node > 0; node--) this.#add(node);
  }

  get total(): number {
    return this.#at(1);
  }

  get(index: number): number {
    return this.#at(this.#firstLeaf + index);
  }

  set(index: number, value: number): void {
    let node = this.#firstLeaf + index;
    this.#sums[node] = value;
    while (node > 1) this.#add((node = Math.floor(node / 2)));
  }

  /** Returns the index of the number that a share of the total, from 0 to below 1, falls on. */
  find(share: number): number {
    let left = share * this.total;
    let node = 1;
    while (node < this.#firstLeaf) {
      node *= 2;
      const first = this.#at(node);
      // Rounding must not lead to a number that is 0.
      if (left < first || this.#at(node + 1) === 0) continue;
      left -= first;
      node++;
    }
    return node - this.#firstLeaf;
  }

  #add(node: number): void {
    this.#sums[node] = this.#at(2 * node) + this.#at(2 * node + 1);
  }

  #at(node: number): number {
    return this.#sums[node] ?? 0;
  }
}
