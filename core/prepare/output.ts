import { existsSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../errors.js';
import { makeFolder } from '../files/make-folder.js';
import { partOfFolder, type Part } from './part.js';
import { notWritten, PARTIAL, type ShardFacts } from './shard-writer.js';

const META = 'meta.json';
const OURS = /^(meta\.json|(train|val)(_\d+)?\.bin)$/;

/**
 * The folder that shards are written into. While a preparation goes on, and after one that was cut short, it holds
 * `*.partial` files, which readers refuse; `meta.json` comes last, so data is whole or is not there.
 */
export class OutputFolder {
  /** The topmost folder that was made for it: it goes again when nothing comes of the preparation. */
  #made: string | undefined;
  #opened = false;

  constructor(
    readonly path: string,
    private readonly shown: string,
  ) {}

  /**
   * @param part that will be a folder of its own in this one, or undefined for the whole
   * @throws UsageError when what is in the folder, data or parts, does not go together with that
   */
  refuseMixed(part: Part | undefined): void {
    const other = this.#namesThere().find((name) => {
      const found = partOfFolder(name);
      return found === undefined ? part !== undefined && OURS.test(name) : found.count !== part?.count;
    });
    if (other === undefined) return;
    const wanted = part === undefined ? 'data that is whole' : `${String(part.count)} parts`;
    throw new UsageError(
      'ESP_PREPARE_OUT',
      `${this.shown} holds ${other}, which does not go together with ${wanted}: name another folder with --out, or remove it`,
    );
  }

  /** @throws UsageError when data is there already, unless it is to be replaced */
  open(replace: boolean): void {
    const held = this.#namesThere().find((name) => OURS.test(name));
    if (held !== undefined && !replace) {
      throw new UsageError(
        'ESP_PREPARE_OUT',
        `${this.shown} holds data already (${held}): name another folder with --out, or replace it with --force`,
      );
    }
    try {
      this.#made = makeFolder(this.path);
      this.#opened = true;
      // What an interrupted preparation left.
      this.#removePartial();
      writeFileSync(this.#partial(META), '');
    } catch (thrown) {
      throw notWritten(this.shown, thrown);
    }
  }

  /** Gives everything its name: what it replaces goes first, `meta.json` comes last. */
  commit(shards: readonly ShardFacts[], meta: object): void {
    try {
      writeFileSync(this.#partial(META), `${JSON.stringify(meta, null, 2)}\n`, { flush: true });
      const old = readdirSync(this.path).filter((name) => OURS.test(name));
      for (const name of old.sort((a) => (a === META ? -1 : 1))) rmSync(path.join(this.path, name));
      for (const { file } of shards) renameSync(this.#partial(file), path.join(this.path, file));
      this.#removePartial((name) => name !== META + PARTIAL);
      renameSync(this.#partial(META), path.join(this.path, META));
    } catch (thrown) {
      throw notWritten(this.shown, thrown);
    }
  }

  /** Leaves the disk as it was found. */
  abandon(): void {
    if (!this.#opened) return;
    if (this.#made === undefined) this.#removePartial();
    else this.#removeMade(this.#made);
  }

  /** The folder, and those above it that were made for it and that nothing else came into (another part). */
  #removeMade(topmost: string): void {
    rmSync(this.path, { recursive: true, force: true });
    for (let folder = this.path; folder !== topmost;) {
      folder = path.dirname(folder);
      try {
        rmdirSync(folder);
      } catch {
        return;
      }
    }
  }

  #namesThere(): string[] {
    try {
      return existsSync(this.path) ? readdirSync(this.path) : [];
    } catch (thrown) {
      throw notWritten(this.shown, thrown);
    }
  }

  #partial(name: string): string {
    return path.join(this.path, name + PARTIAL);
  }

  #removePartial(which: (name: string) => boolean = () => true): void {
    for (const name of readdirSync(this.path)) {
      if (name.endsWith(PARTIAL) && which(name)) rmSync(path.join(this.path, name));
    }
  }
}
