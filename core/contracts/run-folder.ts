import path from 'node:path';
import { token } from './token.js';

/** The folder of a run that has only a name, relative to the working folder. */
export function defaultRunFolder(name: string): string {
  return path.join('runs', name);
}

/** Where a run is, and what it was started in: absolute paths. */
export interface RunPlace {
  readonly path: string;
  readonly cwd: string;
}

/** The folder of a run. Nothing is created in it before training starts. */
export interface RunFolder {
  /** Absolute. */
  readonly path: string;
  /** As it is printed: relative to the working folder if it lies below it. */
  readonly shown: string;
  /** Folder of its checkpoints, absolute. */
  readonly checkpoints: string;
  /** The absolute path of a path in the config: those are relative to the working folder. */
  fromConfig(file: string): string;
  /**
   * Makes the folder, if need be, claims it for this process until `release`, and cleans up what a killed one left.
   * @param say prints what is waited for
   * @throws UsageError if it cannot be made or written, another process has it, or it is not a run's and not empty
   */
  claim(say?: (line: string) => void): Promise<void>;
  /** Lets other processes have the folder. */
  release(): void;
  /**
   * Writes the run's `config.yaml`.
   * @returns the name under which one that was changed by hand is kept
   */
  writeConfig(yaml: string): string | undefined;
}
export const RunFolder = token<RunFolder>('RunFolder');

/** Makes folders of runs on disk. The family that keeps runs exports one as `provided` in `provides/run-folder.ts`. */
export interface RunFolders {
  /**
   * @param how.inMemory the run has a name and no folder: nothing is made, claimed or written
   * @param how.writes false on ranks that leave the folder to the first: what changes it does nothing there
   */
  folder(place: RunPlace, how: { readonly inMemory: boolean; readonly writes: boolean }): RunFolder;
}
