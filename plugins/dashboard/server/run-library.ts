import { messageOf } from '../../../core/errors.js';
import type { RunSummary } from '../page/protocol.js';
import type { FoundRun } from './find-runs.js';
import { RunReader } from './run-reader.js';

/** The runs that a page shows, including those that appear later. */
export class RunLibrary {
  readonly #readers = new Map<string, RunReader>();

  /** @param find returns the current runs, in the order in which they are shown */
  constructor(private readonly find: () => readonly FoundRun[]) {}

  /** Finds new runs, and reads what was appended to each. */
  async refresh(): Promise<void> {
    for (const { name, folder, named } of this.#found()) {
      if (!this.#readers.has(name)) this.#readers.set(name, new RunReader(name, folder, named));
    }
    for (const reader of this.#readers.values()) await reader.refresh();
  }

  get(name: string): RunReader | undefined {
    return this.#readers.get(name);
  }

  summaries(): RunSummary[] {
    return [...this.#readers.values()].map((reader) => reader.summary());
  }

  /** If a folder is deleted while a page is open, the page keeps showing its runs. */
  #found(): readonly FoundRun[] {
    try {
      return this.find();
    } catch (thrown) {
      if (this.#readers.size === 0) throw new Error(messageOf(thrown), { cause: thrown });
      return [];
    }
  }
}
