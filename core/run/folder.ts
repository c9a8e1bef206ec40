import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf, UsageError } from '../errors.js';
import { makeFolder } from '../files/make-folder.js';
import { lockFolder, refuseInUse } from './lock.js';

/** The folder of a run that has only a name, relative to the working folder. */
export function defaultRunFolder(name: string): string {
  return path.join('runs', name);
}

/** Paths of the folders in a folder; none where it is no folder. */
export function foldersIn(folder: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(folder, entry.name));
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
    return relative.startsWith('..') ? this.path : relative;
  }

  /** The absolute path of a path in the config: those are relative to the working folder. */
  fromConfig(file: string): string {
    return path.resolve(this.#cwd, file);
  }

  get checkpoints(): string {
    return path.join(this.path, 'checkpoints');
  }

  #release: (() => void) | undefined;

  /**
   * Makes the folder, if need be, and claims it for this process until `release`.
   * @throws UsageError when it cannot be made or written, or when another process has it
   */
  claim(): void {
    if (!this.writes || this.#release !== undefined) return;
    try {
      makeFolder(this.path);
      this.#release = lockFolder(this.path);
    } catch (thrown) {
      if (thrown instanceof UsageError) throw thrown;
      throw new UsageError(
        'ESP_RUN_FOLDER',
        `the run's folder ${this.shown} cannot be made or written: ${messageOf(thrown)}; name another with --set run.dir=PATH`,
        { cause: thrown },
      );
    }
  }

  /** What `claim` would find, without a claim. @throws UsageError when another process has the folder */
  refuseClaimed(): void {
    if (this.writes) refuseInUse(this.path);
  }

  /** Lets other processes have the folder. */
  release(): void {
    this.#release?.();
    this.#release = undefined;
  }

  write(name: string, text: string): void {
    if (this.writes) writeFileSync(path.join(this.path, name), text);
  }

  /** Takes away the checkpoints of a run before; their folder stays. */
  startOver(): void {
    if (!this.writes || !existsSync(this.checkpoints)) return;
    for (const name of readdirSync(this.checkpoints)) {
      rmSync(path.join(this.checkpoints, name), { recursive: true, force: true });
    }
  }

  /** @throws UsageError when a run's checkpoints are here already */
  refuseUsed(): void {
    if (!holdsCheckpoints(this.checkpoints)) return;
    throw new UsageError(
      'ESP_RUN_FOLDER_USED',
      `${this.shown} holds the checkpoints of a run: go on with --resume, start over with --force, or name another with --set run.name=NAME`,
    );
  }
}

/** What a process that was killed had begun to write is none. */
function holdsCheckpoints(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => !name.startsWith('.') && !name.endsWith('.writing'));
  } catch {
    return false;
  }
}
