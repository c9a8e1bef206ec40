import path from 'node:path';
import { resolveFrom } from '../paths.js';
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
  /** @param writes false on ranks that leave the folder to the first: what changes it does nothing there */
  folder(place: RunPlace, writes: boolean): RunFolder;
}

/** The folder of a run in memory: it has a name, and nothing is made, claimed or written. */
export class NamedFolder implements RunFolder {
  constructor(private readonly place: RunPlace) {}

  get path(): string {
    return this.place.path;
  }

  get shown(): string {
    const relative = path.relative(this.place.cwd, this.path);
    return relative.startsWith('..') ? this.path : relative || '.';
  }

  get checkpoints(): string {
    return path.join(this.path, 'checkpoints');
  }

  fromConfig(file: string): string {
    return resolveFrom(this.place.cwd, file);
  }

  async claim(_say?: (line: string) => void): Promise<void> {
    // Nobody else can have it.
  }

  release(): void {
    // Nothing was claimed.
  }

  writeConfig(_yaml: string): string | undefined {
    return undefined;
  }
}
