import { existsSync } from 'node:fs';
import { checkpointNames } from '../stored/find.js';
import { recoverCheckpoints, removeAllCheckpoints } from '../stored/remove.js';
import { makeFolder, removeUnfinished } from '../../files/contract.js';
import { messageOf, UsageError } from '../../../core/errors.js';
import type { RunPlace } from '../../../core/runs.js';
import { NamedFolder } from './named-folder.js';
import { lockFolder, refuseInUse } from '../../runs/contract.js';
import { foreignEntry, writeConfigFile } from './run-files.js';

/** The folder of a run on disk. */
export class DiskFolder extends NamedFolder {
  /** @param writes false on all ranks but the first: methods that change the folder then do nothing */
  constructor(
    place: RunPlace,
    private readonly writes: boolean,
  ) {
    super(place);
  }

  #release: (() => void) | undefined;

  /** Returns whether the folder exists. */
  exists(): boolean {
    return existsSync(this.path);
  }

  override async claim(say?: (line: string) => void): Promise<void> {
    if (!this.writes || this.#release !== undefined) return;
    try {
      await this.#refuseForeign();
      makeFolder(this.path);
      this.#release = await lockFolder(this.path, say === undefined ? {} : { say });
      for (const folder of [this.path, this.checkpoints]) removeUnfinished(folder);
      await recoverCheckpoints(this.checkpoints);
    } catch (thrown) {
      if (thrown instanceof UsageError) throw thrown;
      throw new UsageError(
        'ESP_RUN_FOLDER',
        `the run's folder ${this.shown} cannot be created or written: ${messageOf(thrown)}; choose another with --set run.dir=PATH`,
        { cause: thrown },
      );
    }
  }

  /** Whether this process holds the folder's lock. */
  get isClaimed(): boolean {
    return this.#release !== undefined;
  }

  /** Checks what `claim` checks, without claiming the folder. @throws UsageError as `claim` does */
  async refuseClaimed(): Promise<void> {
    if (!this.writes) return;
    await this.#refuseForeign();
    await refuseInUse(this.path);
  }

  /** @throws UsageError when the folder contains files that are not a run's, which a run could overwrite or delete */
  async #refuseForeign(): Promise<void> {
    const entry = await foreignEntry(this.path);
    if (entry === undefined) return;
    throw new UsageError(
      'ESP_RUN_FOLDER_FOREIGN',
      `${this.shown} is not a run folder, but contains ${entry}; nothing was written there: choose a new or empty folder with --set run.dir=PATH, or with --set run.name=NAME for runs/NAME`,
    );
  }

  override release(): void {
    this.#release?.();
    this.#release = undefined;
  }

  override writeConfig(yaml: string): string | undefined {
    return this.writes ? writeConfigFile(this.path, yaml) : undefined;
  }

  /** Deletes the checkpoints of a previous run, and nothing else. */
  async startOver(): Promise<void> {
    if (this.writes) await removeAllCheckpoints(this.checkpoints);
  }

  /** Returns whether the folder has checkpoints. */
  async isUsed(): Promise<boolean> {
    return (await checkpointNames(this.checkpoints)).length > 0;
  }

  /** @throws UsageError when the folder already has checkpoints */
  async refuseUsed(): Promise<void> {
    if (!(await this.isUsed())) return;
    throw new UsageError(
      'ESP_RUN_FOLDER_USED',
      `${this.shown} already has checkpoints: resume with --resume, start over with --force, or choose another run with --set run.name=NAME`,
    );
  }
}
