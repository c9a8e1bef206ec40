import type { CheckpointMedium } from '../writing/medium.js';

/** Keeps a run's files `latest` and `best`, which name checkpoints, up to date. */
export class Pointers {
  /** The name that this process last wrote to `best`. */
  #notedBest: string | undefined;

  constructor(private readonly medium: CheckpointMedium) {}

  /** Call after a checkpoint was written; `best` is rewritten only if it has changed. */
  async update(latest: string, best: string | undefined): Promise<void> {
    await this.medium.note('latest', latest);
    if (best !== this.#notedBest && (await this.#existing(best)) !== undefined) await this.#noteBest(best);
  }

  /** Call after checkpoints were set aside: `latest` or `best` may have named one of them. */
  async reset(latest: string, best: string | undefined): Promise<void> {
    await this.medium.note('latest', latest);
    await this.#noteBest(await this.#existing(best));
  }

  async #noteBest(name: string | undefined): Promise<void> {
    await this.medium.note('best', name);
    this.#notedBest = name;
  }

  async #existing(name: string | undefined): Promise<string | undefined> {
    return name !== undefined && (await this.medium.names()).includes(name) ? name : undefined;
  }
}
