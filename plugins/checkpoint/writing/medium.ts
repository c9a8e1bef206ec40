import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, type RunFolder, token, UsageError, type LoadedCheckpoint } from '../../../core/index.js';
import { makeFolder, writeWhole } from '../../files/contract.js';
import { checkpointNames } from '../stored/find.js';
import { readCheckpoint } from '../stored/read.js';
import { setNewerAside } from './aside.js';
import { rotateCheckpoints, type Rotation } from './rotate.js';
import { writeCheckpoint, type SnapshotCopy } from './write.js';

/** Stores a run's checkpoints: on disk by default, or whatever a plugin binds, such as memory in `espalier/testing`. */
export interface CheckpointMedium {
  /** Checks that checkpoints can be written. @throws UsageError when they cannot */
  prepare(): Promise<void>;
  /** Returns the checkpoints' names, newest first. */
  names(): Promise<string[]>;
  /** Reads a checkpoint. @throws UsageError when it is missing or damaged */
  read(name: string): Promise<LoadedCheckpoint>;
  /**
   * Writes a checkpoint, whole or not at all.
   * @param copy may be empty afterwards
   * @throws EspalierError when it cannot be written
   */
  write(name: string, copy: SnapshotCopy): Promise<void>;
  /** Deletes the checkpoints that the rotation does not keep. */
  rotate(rotation: Rotation): Promise<void>;
  /** Hides the checkpoints newer than the one that the run continues from. */
  setNewerAside(source: string, log: (line: string) => void): Promise<void>;
  /** Records the name of the newest or the best checkpoint, for scripts; undefined: there is none. */
  note(as: 'latest' | 'best', name: string | undefined): Promise<void>;
}
export const CheckpointMedium = token<CheckpointMedium>('CheckpointMedium');

/** Stores checkpoints as folders in the run folder's `checkpoints`. */
export class CheckpointFolders implements CheckpointMedium {
  constructor(private readonly folder: RunFolder) {}

  /** Writes a test file, to fail now instead of after hours of training. */
  async prepare(): Promise<void> {
    const probe = path.join(this.folder.checkpoints, `.probe-${String(process.pid)}`);
    try {
      makeFolder(this.folder.checkpoints);
      await writeFile(probe, '');
      await rm(probe);
    } catch (thrown) {
      throw new UsageError(
        'ESP_RUN_FOLDER',
        `checkpoints cannot be written to ${this.folder.shown}: ${messageOf(thrown)}; choose another folder with --set run.dir=PATH`,
        { cause: thrown },
      );
    }
  }

  names(): Promise<string[]> {
    return checkpointNames(this.folder.checkpoints);
  }

  read(name: string): Promise<LoadedCheckpoint> {
    return readCheckpoint(this.#at(name));
  }

  write(name: string, copy: SnapshotCopy): Promise<void> {
    return writeCheckpoint(this.#at(name), copy);
  }

  async rotate(rotation: Rotation): Promise<void> {
    await rotateCheckpoints(this.folder.checkpoints, rotation);
  }

  setNewerAside(source: string, log: (line: string) => void): Promise<void> {
    return setNewerAside(this.folder.checkpoints, source, log);
  }

  async note(as: 'latest' | 'best', name: string | undefined): Promise<void> {
    if (name !== undefined) await writeWhole(this.#at(as), `${name}\n`);
    else if (existsSync(this.#at(as))) await rm(this.#at(as), { force: true });
  }

  #at(name: string): string {
    return path.join(this.folder.checkpoints, name);
  }
}
