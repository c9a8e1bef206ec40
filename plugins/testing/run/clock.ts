/**
 * The clock of this process in the hands of a test: `performance.now()` and `Date.now()` return what it says, and time
 * passes only by `advance`. Timers are not changed. Restore it at the end: `using clock = new TestClock()` does.
 */
export class TestClock implements Disposable {
  readonly #real = { performance: performance.now.bind(performance), date: Date.now.bind(Date) };
  #elapsed = 0;

  /** @param start what `Date.now()` returns first, in milliseconds since 1970 */
  constructor(private readonly start = 0) {
    performance.now = () => this.#elapsed;
    Date.now = () => this.start + this.#elapsed;
  }

  /** @param milliseconds that pass at once */
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
