import type { NativeBackend } from './backend.js';

/** Share of a step from which on it is worth a word. */
const MUCH = 0.05;
/** Which iteration of a process is measured: the first one compiles and allocates. */
const MEASURED = 2;

/**
 * Measures one iteration, early in a run: how much of it are kernels that the native engine has in JavaScript only. A model
 * of unusual operations is slow for no other reason, and nothing else says so.
 */
export class FallbackWatch {
  #iterations = 0;
  #began = 0;

  /** @param now a clock, in milliseconds */
  constructor(private readonly now = (): number => performance.now()) {}

  begin(backend: NativeBackend): void {
    if (++this.#iterations !== MEASURED) return;
    this.#began = this.now();
    backend.javaScript.times = new Map();
  }

  /** @returns what to tell the user, if anything */
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
