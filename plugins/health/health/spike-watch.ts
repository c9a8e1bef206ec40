import { z } from 'zod';

export const watchState = z.strictObject({
  /** The last values, oldest first. */
  values: z.array(z.number()),
  /** Highest ratio of a value to the median since it was last taken; 0: none. */
  highest: z.number(),
});
type WatchState = z.output<typeof watchState>;

/** What counts as a spike. */
export interface Limits {
  /** A value above this many times the median of the last `window` values; applies once there are that many. */
  readonly times: number;
  /** A value above this; null: no limit. */
  readonly above: number | null;
  readonly window: number;
}

/** Finds values far above the recent ones. Compares with their median, which a spike hardly moves. */
export class SpikeWatch {
  readonly #last: RunningMedian;
  #highest = 0;

  /** @param name of the series, as part of a sentence */
  constructor(
    private readonly name: string,
    private readonly limits: Limits,
  ) {
    this.#last = new RunningMedian(limits.window);
  }

  /** Adds a value. @returns a description if it is a spike */
  look(value: number): string | undefined {
    const { times, above } = this.limits;
    const median = this.#last.isFull ? this.#last.median : 0;
    const ratio = median > 0 ? value / median : 0;
    if (Number.isFinite(value)) {
      this.#highest = Math.max(this.#highest, ratio);
      this.#last.add(value);
    }
    const what = (): string => `${this.name} ${short(value)} is`;
    if (ratio > times) return `${what()} ${ratio.toFixed(1)} times its running median ${short(median)}`;
    return above !== null && value > above ? `${what()} over ${String(above)}` : undefined;
  }

  /** Returns the highest ratio of a value to the median since the last call; undefined if there is none. */
  takeHighest(): number | undefined {
    const highest = this.#highest;
    this.#highest = 0;
    return highest > 0 ? highest : undefined;
  }

  /** Returns undefined if there are no values yet. */
  state(): WatchState | undefined {
    const { values } = this.#last;
    return values.length === 0 ? undefined : { values: [...values], highest: this.#highest };
  }

  restore(state: WatchState | undefined): void {
    this.#last.restore(state?.values ?? []);
    this.#highest = state?.highest ?? 0;
  }
}

function short(value: number): string {
  return value.toPrecision(4);
}

/** The median of the last numbers. Keeps them sorted, so adding one takes no new sort. */
export class RunningMedian {
  /** In the order added, oldest first. */
  #values: number[] = [];
  #sorted: number[] = [];

  /** @param window number of values to keep */
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

  /** Returns the index of the first sorted value that is not smaller. */
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
