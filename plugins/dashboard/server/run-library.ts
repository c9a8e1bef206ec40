import { messageOf } from '../../../core/index.js';
import type { FoundRun } from './find-runs.js';
import type { RunSummary } from '../page/protocol.js';
import { RunReader } from './run-reader.js';

/** The runs that a page shows; those that come later are found too. */
export class RunLibrary {
  readonly #readers = new Map<string, RunReader>();

  /** @param find the runs of now, in the order that they are shown in */
  constructor(private readonly find: () => readonly FoundRun[]) {}

  /** Looks for new runs, and reads what was appended to each. */
  async refresh(): Promise<void> {
    for (const { name, folder } of this.#found()) {
      if (!this.#readers.has(name)) this.#readers.set(name, new RunReader(name, folder));
    }
    for (const reader of this.#readers.values()) await reader.refresh();
  }

  get(name: string): RunReader | undefined {
    return this.#readers.get(name);
  }

  summaries(): RunSummary[] {
    return [...this.#readers.values()].map((reader) => reader.summary());
  }

  /** A folder that went away while it is looked at takes nothing from the page. */
  #found(): readonly FoundRun[] {
    try {
      return this.find();
    } catch (thrown) {
      if (this.#readers.size === 0) throw new Error(messageOf(thrown), { cause: thrown });
      return [];
    }
  }
}
