import type { NativeBackend } from './backend.js';

/** Share of a step above which a message is worthwhile. */
const MUCH = 0.05;
/** The iteration to measure; the first one compiles and allocates. */
const MEASURED = 2;

/**
 * Measures, in one early iteration, the share of kernels that the native engine runs in JavaScript. Otherwise a user
 * could not tell why a model of unusual operations is slow.
 */
export class FallbackWatch {
  #iterations = 0;
  #began = 0;

  /** @param now a clock in milliseconds */
  constructor(private readonly now = (): number => performance.now()) {}

  begin(backend: NativeBackend): void {
    if (++this.#iterations !== MEASURED) return;
    this.#began = this.now();
    backend.javaScript.times = new Map();
  }

  /** @returns the message to log, if any */
  end(backend: NativeBackend): string | undefined {
    const times = backend.javaScript.times;
    if (this.#iterations !== MEASURED || times === undefined) return undefined;
    backend.javaScript.times = undefined;
    return sentence(times, this.now() - this.#began);
  }
}

function sentence(times: ReadonlyMap<string, number>, step: number): string | undefined {
  const all = [...times].map(([name, time]) => ({ name, share: time / step })).sort((a, b) => b.share - a.share);
  const total = all.reduce((sum, { share }) => sum + share, 0);
  if (total < MUCH) return undefined;
  const named = all.filter(({ share }) => share >= 0.01).slice(0, 5);
  const list = named.map(({ name, share }) => `${name} ${percent(share)}`).join(', ');
  return `${percent(total)} of a step are operations that the native engine runs in JavaScript: ${list}. docs/guides/engines.md lists those that it has in C++; casting to float32, or another operation, may avoid them`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
