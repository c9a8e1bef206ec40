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
  #state: WatchState = { values: [], highest: 0 };

  /** @param name how the series is called in a sentence */
  constructor(
    private readonly name: string,
    private readonly limits: Limits,
  ) {}

  /** Takes a value in, and says what is wrong with it where it is a spike. */
  look(value: number): string | undefined {
    const { times, above, window } = this.limits;
    const { values } = this.#state;
    const median = values.length < window ? 0 : medianOf(values);
    const ratio = median > 0 ? value / median : 0;
    if (Number.isFinite(value)) {
      const highest = Math.max(this.#state.highest, ratio);
      this.#state = { values: [...values, value].slice(-window), highest };
    }
    const what = `${this.name} ${short(value)} is`;
    if (ratio > times) return `${what} ${ratio.toFixed(1)} times its running median ${short(median)}`;
    return above !== null && value > above ? `${what} over ${String(above)}` : undefined;
  }

  /** Highest value over the median since the last call; undefined where there was none. */
  takeHighest(): number | undefined {
    const { values, highest } = this.#state;
    this.#state = { values, highest: 0 };
    return highest > 0 ? highest : undefined;
  }

  /** Undefined while nothing was seen. */
  state(): WatchState | undefined {
    return this.#state.values.length === 0 ? undefined : this.#state;
  }

  restore(state: WatchState | undefined): void {
    this.#state = state ?? { values: [], highest: 0 };
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
}

function short(value: number): string {
  return value.toPrecision(4);
}
