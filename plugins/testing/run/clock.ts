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
