import path from 'node:path';
import { token } from './token.js';

/** Returns the default folder of a run, relative to the working folder. */
export function defaultRunFolder(name: string): string {
  return path.join('runs', name);
}

/** The folder of a run and the working folder it was started in, both absolute. */
export interface RunPlace {
  readonly path: string;
  readonly cwd: string;
}

/** The folder of a run. Nothing is created in it before training starts. */
export interface RunFolder {
  /** Absolute. */
  readonly path: string;
  /** For messages: relative to the working folder if it is inside it. */
  readonly shown: string;
  /** Absolute path of the folder with its checkpoints. */
  readonly checkpoints: string;
  /** Resolves a path from the config, which is relative to the working folder. */
  fromConfig(file: string): string;
  /**
   * Creates the folder if necessary, claims it for this process until `release`, and cleans up after a killed run.
   * @param say prints what it waits for
   * @throws UsageError if the folder cannot be created or written, is claimed by another process, or is neither empty
   * nor a run's
   */
  claim(say?: (line: string) => void): Promise<void>;
  /** Lets other processes claim the folder. */
  release(): void;
  /**
   * Writes the run's `config.yaml`.
   * @returns the name under which a version edited by hand was kept
   */
  writeConfig(yaml: string): string | undefined;
}
export const RunFolder = token<RunFolder>('RunFolder');

/** Manages run folders on disk. A family implements it as `provided` in `provides/run-folder.ts`. */
export interface RunFolders {
  /**
   * Returns the folder of a run.
   * @param how.inMemory the run is not stored: nothing is created, claimed or written
   * @param how.writes false on ranks that leave writing to the first: methods that change the folder do nothing there
   */
  folder(place: RunPlace, how: { readonly inMemory: boolean; readonly writes: boolean }): RunFolder;
}
