import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../errors.js';

/** The folder of a run: nothing is created in it before training starts. */
export class RunFolder {
  constructor(
    /** Absolute. */
    readonly path: string,
    private readonly cwd: string,
  ) {}

  /** As it is printed: relative to the working folder where it lies below it. */
  get shown(): string {
    const relative = path.relative(this.cwd, this.path);
    return relative.startsWith('..') ? this.path : relative;
  }

  /** The absolute path of a path in the config: those are relative to the working folder. */
  fromConfig(file: string): string {
    return path.resolve(this.cwd, file);
  }

  get checkpoints(): string {
    return path.join(this.path, 'checkpoints');
  }

  ensure(): void {
    try {
      mkdirSync(this.path, { recursive: true });
    } catch (thrown) {
      throw new UsageError('ESP_RUN_FOLDER', `the run's folder ${this.shown} cannot be made: ${String(thrown)}`, {
        cause: thrown,
      });
    }
  }

  write(name: string, text: string): void {
    writeFileSync(path.join(this.path, name), text);
  }

  /** Takes away the checkpoints of a run before. */
  startOver(): void {
    rmSync(this.checkpoints, { recursive: true, force: true });
  }

  /** @throws UsageError when a run's checkpoints are here already */
  refuseUsed(): void {
    if (!existsSync(this.checkpoints)) return;
    throw new UsageError(
      'ESP_RUN_FOLDER_USED',
      `${this.shown} holds the checkpoints of a run: go on with --resume, start over with --force, or name another with --set run.name=NAME`,
    );
  }
}
