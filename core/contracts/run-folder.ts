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
  /** Whether the folder is there. */
  exists(): boolean;
  /**
   * Makes the folder, if need be, claims it for this process until `release`, and cleans up what a killed one left.
   * @param say prints what is waited for
   * @throws UsageError if it cannot be made or written, another process has it, or it is not a run's and not empty
   */
  claim(say?: (line: string) => void): Promise<void>;
  /** This process has the folder. */
  readonly isClaimed: boolean;
  /** What `claim` would find, without a claim. @throws UsageError as `claim` does */
  refuseClaimed(): Promise<void>;
  /** Lets other processes have the folder. */
  release(): void;
  /**
   * Writes the run's `config.yaml`.
   * @returns the name under which one that was changed by hand is kept
   */
  writeConfig(yaml: string): string | undefined;
  /** Whether a run's checkpoints are here. */
  isUsed(): Promise<boolean>;
  /** @throws UsageError if a run's checkpoints are here already */
  refuseUsed(): Promise<void>;
  /** Deletes the checkpoints of a run before, and nothing else. */
  startOver(): Promise<void>;
}
export const RunFolder = token<RunFolder>('RunFolder');

/** What a run's folder is called, for what keeps something in it. */
export class NamedFolder {
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
}

/** The folder of a run in memory: it has a name, and nothing is made, claimed or written. */
export class MemoryFolder extends NamedFolder implements RunFolder {
  readonly isClaimed: boolean = false;

  exists(): boolean {
    return false;
  }

  writeConfig(): undefined {
    return undefined;
  }

  release(): void {
    // Nothing was claimed.
  }

  async isUsed(): Promise<boolean> {
    return false;
  }

  async claim(): Promise<void> {
    // Nobody else can have it.
  }

  async refuseClaimed(): Promise<void> {
    // Nobody else can have it.
  }

  async refuseUsed(): Promise<void> {
    // It holds nothing.
  }

  async startOver(): Promise<void> {
    // It holds nothing.
  }
}
