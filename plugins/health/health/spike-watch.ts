import { z } from 'zod';

export const watchState = z.strictObject({
  /** The last ones, oldest first. */
  values: z.array(z.number()),
  /** Highest value over the median since it was asked for last; 0: none. */
  highest: z.number(),
});
type WatchState = z.output<typeof watchState>;

/** What counts as a spike. */
export interface Limits {
  /** Over so many times the median of the last `window` values, once there are as many. */
  readonly times: number;
  /** Over this; null: no such limit. */
  readonly above: number | null;
  readonly window: number;
}

/** Finds values of a series that are far over what they were lately. A spike moves their median little. */
export class SpikeWatch {
  readonly #last: RunningMedian;
  #highest = 0;

  /** @param name how the series is called in a sentence */
  constructor(
    private readonly name: string,
    private readonly limits: Limits,
  ) {
    this.#last = new RunningMedian(limits.window);
  }

  /** Takes a value in, and says what is wrong with it where it is a spike. */
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

  /** Highest value over the median since the last call; undefined where there was none. */
  takeHighest(): number | undefined {
    const highest = this.#highest;
    this.#highest = 0;
    return highest > 0 ? highest : undefined;
  }

  /** Undefined while nothing was seen. */
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
