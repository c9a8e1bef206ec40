/** The median of the last numbers, which are kept sorted: a new one is put in its place, nothing is sorted again. */
export class RunningMedian {
  /** Oldest first. */
  #values: number[] = [];
  #sorted: number[] = [];

  /** @param window how many numbers count */
  constructor(private readonly window: number) {}

  get values(): readonly number[] {
    return this.#values;
  }

  get isFull(): boolean {
    return this.#values.length >= this.window;
  }

  get median(): number {
    const half = Math.floor(this.#sorted.length / 2);
    const upper = this.#sorted[half] ?? NaN;
    return this.#sorted.length % 2 === 1 ? upper : ((this.#sorted[half - 1] ?? NaN) + upper) / 2;
  }

  /** @param value finite */
  add(value: number): void {
    const oldest = this.isFull ? this.#values.shift() : undefined;
    if (oldest !== undefined) this.#sorted.splice(this.#placeOf(oldest), 1);
    this.#values.push(value);
    this.#sorted.splice(this.#placeOf(value), 0, value);
  }

  restore(values: readonly number[]): void {
    this.#values = values.slice(-this.window);
    this.#sorted = [...Float64Array.from(this.#values).sort()];
  }

  /** Of the first that is not smaller. */
  #placeOf(value: number): number {
    let [from, to] = [0, this.#sorted.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#sorted[middle] ?? Infinity) < value) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
