/**
 * Replaces this process's clock in a test: `performance.now()` and `Date.now()` return its time, which only `advance`
 * moves. Timers are unaffected. Restore it at the end, e.g. with `using clock = new TestClock()`.
 */
export class TestClock implements Disposable {
  readonly #real = { performance: performance.now.bind(performance), date: Date.now.bind(Date) };
  #elapsed = 0;

  /** @param start initial value of `Date.now()`, in milliseconds since 1970 */
  constructor(private readonly start = 0) {
    performance.now = () => this.#elapsed;
    Date.now = () => this.start + this.#elapsed;
  }

  /** @param milliseconds time that passes at once */
  advance(milliseconds: number): void {
    this.#elapsed += milliseconds;
  }

  restore(): void {
    performance.now = this.#real.performance;
    Date.now = this.#real.date;
  }

  [Symbol.dispose](): void {
    this.restore();
  }
}

/** Runs work under a clock that is far from the real one. `new Date()` follows `Date.now()`. */
export async function withOtherClock<T>(work: () => Promise<T>): Promise<T> {
  const now = Date.now.bind(Date);
  const elapsed = performance.now.bind(performance);
  return withClock({ now: () => now() + FAR, elapsed: () => elapsed() + FAR }, work);
}

/** Runs work under a clock in which a millisecond passes at each look. */
export async function withSteppingClock<T>(work: () => Promise<T>): Promise<T> {
  let looks = 0;
  const elapsed = (): number => ++looks;
  return withClock({ now: elapsed, elapsed }, work);
}

/** Of no round number of seconds, hours or days. */
const FAR = 1e10 + 7_654_321.125;

async function withClock<T>(clock: { now: () => number; elapsed: () => number }, work: () => Promise<T>): Promise<T> {
  const real = { performance: performance.now.bind(performance), date: globalThis.Date };
  const { now } = clock;
  class OtherDate extends real.date {
    constructor(...given: readonly unknown[]) {
      super(...((given.length === 0 ? [now()] : given) as [number]));
    }

    static override now(): number {
      return Math.floor(now());
    }
  }
  performance.now = clock.elapsed;
  globalThis.Date = OtherDate as DateConstructor;
  try {
    return await work();
  } finally {
    performance.now = real.performance;
    globalThis.Date = real.date;
  }
}
