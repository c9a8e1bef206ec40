import path from 'node:path';
import { checkpointNames } from '../checkpoint/find.js';
import { recoverCheckpoints, removeAllCheckpoints } from '../checkpoint/remove.js';
import { messageOf, UsageError } from '../errors.js';
import { resolveFrom } from '../files/home.js';
import { makeFolder } from '../files/make-folder.js';
import { removeUnfinished } from '../files/write-whole.js';
import { lockFolder, refuseInUse } from './lock.js';
import { foreignEntry, writeConfigFile } from './run-files.js';

/** The folder of a run that has only a name, relative to the working folder. */
export function defaultRunFolder(name: string): string {
  return path.join('runs', name);
}

/** The folder of a run: nothing is created in it before training starts. */
export class RunFolder {
  /** Absolute. */
  readonly path: string;
  readonly #cwd: string;

  /**
   * @param place absolute paths, of the folder and of the working folder
   * @param writes false on ranks that leave the folder to the first: what changes it does nothing there
   */
  constructor(
    place: { readonly path: string; readonly cwd: string },
    private readonly writes: boolean,
  ) {
    this.path = place.path;
    this.#cwd = place.cwd;
  }

  /** As it is printed: relative to the working folder where it lies below it. */
  get shown(): string {
    const relative = path.relative(this.#cwd, this.path);
    return relative.startsWith('..') ? this.path : relative || '.';
  }

  /** The absolute path of a path in the config: those are relative to the working folder. */
  fromConfig(file: string): string {
    return resolveFrom(this.#cwd, file);
  }

  get checkpoints(): string {
    return path.join(this.path, 'checkpoints');
  }

  #release: (() => void) | undefined;

  /**
   * Makes the folder, if need be, claims it for this process until `release`, and cleans up what a killed one left.
   * @param say prints what is waited for
   * @throws UsageError when it cannot be made or written, when another process has it, or when it is no run's and not empty
   */
  async claim(say?: (line: string) => void): Promise<void> {
    if (!this.writes || this.#release !== undefined) return;
    try {
      await this.refuseForeign();
      makeFolder(this.path);
      this.#release = await lockFolder(this.path, say === undefined ? {} : { say });
      for (const folder of [this.path, this.checkpoints]) removeUnfinished(folder);
      await recoverCheckpoints(this.checkpoints);
    } catch (thrown) {
      if (thrown instanceof UsageError) throw thrown;
      throw new UsageError(
        'ESP_RUN_FOLDER',
        `the run's folder ${this.shown} cannot be made or written: ${messageOf(thrown)}; name another with --set run.dir=PATH`,
        { cause: thrown },
      );
    }
  }

  /** This process has the folder. */
  get isClaimed(): boolean {
    return this.#release !== undefined;
  }

  /** What `claim` would find, without a claim. @throws UsageError when another process has the folder */
  async refuseClaimed(): Promise<void> {
    if (!this.writes) return;
    await this.refuseForeign();
    await refuseInUse(this.path);
  }

  /** @throws UsageError when something in the folder is not a run's: a run would overwrite or delete it */
  async refuseForeign(): Promise<void> {
    const entry = await foreignEntry(this.path);
    if (entry === undefined) return;
    throw new UsageError(
      'ESP_RUN_FOLDER_FOREIGN',
      `${this.shown} is not the folder of a run, and holds ${entry}; nothing was written there: name a new or empty folder with --set run.dir=PATH, or with --set run.name=NAME for runs/NAME`,
    );
  }

  /** Lets other processes have the folder. */
  release(): void {
    this.#release?.();
    this.#release = undefined;
  }

  /**
   * Writes the run's `config.yaml`.
   * @returns the name under which one that was changed by hand is kept
   */
  writeConfig(yaml: string): string | undefined {
    return this.writes ? writeConfigFile(this.path, yaml) : undefined;
  }

  /** Deletes the checkpoints of a run before, and nothing else that is in their folder. */
  async startOver(): Promise<void> {
    if (this.writes) await removeAllCheckpoints(this.checkpoints);
  }

  /** Whether a run's checkpoints are here. */
  async isUsed(): Promise<boolean> {
    return (await checkpointNames(this.checkpoints)).length > 0;
  }

  /** @throws UsageError when a run's checkpoints are here already */
  async refuseUsed(): Promise<void> {
    if (!(await this.isUsed())) return;
    throw new UsageError(
      'ESP_RUN_FOLDER_USED',
      `${this.shown} holds the checkpoints of a run: go on with --resume, start over with --force, or name another with --set run.name=NAME`,
    );
  }
}
