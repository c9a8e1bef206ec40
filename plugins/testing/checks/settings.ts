import type { TestRunOptions } from '../run/test-run.js';

/** Returns the options of the same run with further settings, as `--set` takes them. */
export function withSettings(options: TestRunOptions, ...settings: readonly string[]): TestRunOptions {
  return { ...options, set: [...(options.set ?? []), ...settings] };
}
