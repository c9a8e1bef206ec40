import { existsSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../../core/index.js';
import { makeFolder, retriedSync } from '../../files/contract.js';
import { filesOf, META, PARTIAL, type PreparedData, type ShardFacts } from '../shared/meta.js';
import { partOfFolder, type Part } from '../shared/part.js';
import { lockFolder } from '../../runs/contract.js';
import { notWritten } from './hashed-file.js';

const OURS = /^(meta\.json|(train|val)(_\d+)?\.(bin|mask|documents))$/;
const OUR_PARTIAL = /^(meta\.json|(train|val)_\d+\.(bin|mask|documents)|stdin|input-\d+)\.partial$/;

/**
 * The folder that shards are written to. During a preparation, and after an interrupted one, it contains `*.partial`
 * files, which readers refuse. `meta.json` is written last, so the data is either complete or missing.
 */
export class OutputFolder {
  /** The topmost folder that was made for it, to remove if the preparation fails. */
  #made: string | undefined;
  #opened = false;
  /** Whether the partial files in it are of this preparation. */
  #holdsPartial = false;
  #release: (() => void) | undefined;

  constructor(
    readonly path: string,
    private readonly shown: string,
  ) {}

  /**
   * @param part that will be a subfolder; undefined for the complete data
   * @throws UsageError when the folder has data or parts that cannot be combined with it
   */
  refuseMixed(part: Part | undefined): void {
    const other = this.#namesThere().find((name) => {
      const found = partOfFolder(name);
      return found === undefined ? part !== undefined && OURS.test(name) : found.count !== part?.count;
    });
    if (other === undefined) return;
    const wanted = part === undefined ? 'complete data' : `${String(part.count)} parts`;
    throw new UsageError(
      'ESP_PREPARE_OUT',
      `${this.shown} holds ${other}, which cannot be combined with ${wanted}: choose another folder with --out, or remove it`,
    );
  }

  /**
   * Makes the folder and locks it, so that only one preparation at a time writes there.
   * @param say prints what it waits for
   * @throws UsageError when another preparation holds it, or when it has data and `replace` is false
   */
  async open(replace: boolean, say: (line: string) => void): Promise<void> {
    this.#refuseHeld(replace);
    try {
      this.#made = makeFolder(this.path);
      const advice = 'or choose another folder with --out';
      this.#release = await lockFolder(this.path, { code: 'ESP_PREPARE_OUT', advice, say });
    } catch (thrown) {
      if (this.#made !== undefined) this.#removeMade(this.#made);
      throw thrown instanceof UsageError ? thrown : notWritten(this.shown, thrown);
    }
    this.#opened = true;
    this.#refuseHeld(replace);
    try {
      this.#holdsPartial = true;
      // Files left by an interrupted preparation.
      this.#removePartial();
      writeFileSync(this.#partial(META), '');
    } catch (thrown) {
      throw notWritten(this.shown, thrown);
    }
  }

  #refuseHeld(replace: boolean): void {
    const held = this.#namesThere().find((name) => OURS.test(name));
    if (held === undefined || replace) return;
    throw new UsageError(
      'ESP_PREPARE_OUT',
      `${this.shown} already has data (${held}): choose another folder with --out, or replace it with --force`,
    );
  }

  /** Deletes old data, then gives all files their final names, `meta.json` last. */
  commit(shards: readonly ShardFacts[], meta: PreparedData): void {
    try {
      writeFileSync(this.#partial(META), `${JSON.stringify(meta, null, 2)}\n`, { flush: true });
      const old = readdirSync(this.path).filter((name) => OURS.test(name));
      for (const name of old.sort((a) => (a === META ? -1 : 1))) rmSync(path.join(this.path, name));
      for (const { file } of filesOf(shards)) this.#name(file);
      this.#removePartial((name) => name !== META + PARTIAL);
      this.#name(META);
      this.#unlock();
    } catch (thrown) {
      throw notWritten(this.shown, thrown);
    }
  }

  /** Restores the disk to its previous state, without removing what others have put there. */
  abandon(): void {
    if (!this.#opened) return;
    if (this.#holdsPartial) this.#removePartial();
    this.#unlock();
    if (this.#made !== undefined) this.#removeMade(this.#made);
  }

  /** Removes the folder, and parents that were made for it, if they are empty. */
  #removeMade(topmost: string): void {
    for (let folder = this.path; ; folder = path.dirname(folder)) {
      try {
        rmdirSync(folder);
      } catch {
        return;
      }
      if (folder === topmost) return;
    }
  }

  #unlock(): void {
    this.#release?.();
    this.#release = undefined;
    this.#opened = false;
  }

  #namesThere(): string[] {
    try {
      return existsSync(this.path) ? readdirSync(this.path) : [];
    } catch (thrown) {
      throw notWritten(this.shown, thrown);
    }
  }

  #name(file: string): void {
    retriedSync(() => {
      renameSync(this.#partial(file), path.join(this.path, file));
    });
  }

  #partial(name: string): string {
    return path.join(this.path, name + PARTIAL);
  }

  #removePartial(which: (name: string) => boolean = () => true): void {
    for (const name of readdirSync(this.path)) {
      if (OUR_PARTIAL.test(name) && which(name)) rmSync(path.join(this.path, name));
    }
  }
}
