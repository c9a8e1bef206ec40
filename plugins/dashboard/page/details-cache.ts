import type { RunDetails, RunSummary } from './protocol.js';
import type { Source } from './source.js';

/** The details of runs, requested again when they have changed. */
export class DetailsCache {
  readonly #known = new Map<string, RunDetails>();
  readonly #asked = new Map<string, number>();

  /** @param onNew called when details have arrived */
  constructor(
    private readonly source: Source,
    private readonly onNew: () => void,
  ) {}

  /** Returns the known details of a run, and requests newer ones if there are any. */
  get({ name, detailsVersion }: RunSummary): RunDetails | undefined {
    if (this.#asked.get(name) !== detailsVersion) void this.#ask(name, detailsVersion);
    return this.#known.get(name);
  }

  async #ask(name: string, version: number): Promise<void> {
    this.#asked.set(name, version);
    try {
      const details = await this.source.details(name);
      if (this.#asked.get(name) !== version) return;
      this.#known.set(name, details);
    } catch {
      // They are requested again with the server's next data.
      this.#asked.delete(name);
      return;
    }
    this.onNew();
  }
}
