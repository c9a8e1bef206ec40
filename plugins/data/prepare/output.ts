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
 * The folder that shards are written into. While a preparation goes on, and after one that was cut short, it holds
 * `*.partial` files, which readers refuse; `meta.json` comes last, so data is whole or is not there.
 */
export class OutputFolder {
  /** The topmost folder that was made for it: it goes again when nothing comes of the preparation. */
  #made: string | undefined;
  #opened = false;
  /** What is partial in it is of this preparation. */
  #holdsPartial = false;
  #release: (() => void) | undefined;

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
    const wanted = part === undefined ? 'complete data' : `${String(part.count)} parts`;
    throw new UsageError(
      'ESP_PREPARE_OUT',
      `${this.shown} holds ${other}, which cannot be combined with ${wanted}: name another folder with --out, or remove it`,
    );
  }

  /**
   * Makes the folder and locks it: one preparation at a time writes there.
   * @param say prints what is waited for
   * @throws UsageError when another does, or when data is there already, unless it is to be replaced
   */
  async open(replace: boolean, say: (line: string) => void): Promise<void> {
    this.#refuseHeld(replace);
    try {
      this.#made = makeFolder(this.path);
      const advice = 'or name another folder with --out';
      this.#release = await lockFolder(this.path, { code: 'ESP_PREPARE_OUT', advice, say });
    } catch (thrown) {
      if (this.#made !== undefined) this.#removeMade(this.#made);
      throw thrown instanceof UsageError ? thrown : notWritten(this.shown, thrown);
    }
    this.#opened = true;
    this.#refuseHeld(replace);
    try {
      this.#holdsPartial = true;
      // What an interrupted preparation left.
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
      `${this.shown} already has data (${held}): name another folder with --out, or replace it with --force`,
    );
  }

  /** Gives everything its name: what it replaces goes first, `meta.json` comes last. */
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

  /** Leaves the disk as it was found; what others put there meanwhile stays. */
  abandon(): void {
    if (!this.#opened) return;
    if (this.#holdsPartial) this.#removePartial();
    this.#unlock();
    if (this.#made !== undefined) this.#removeMade(this.#made);
  }

  /** The folder, and those above it that were made for it, where nothing else came into them. */
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
