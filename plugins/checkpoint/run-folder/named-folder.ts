import path from 'node:path';
import type { RunFolder } from '../../../core/index.js';
import { resolveFrom } from '../../../core/paths.js';
import type { RunPlace } from '../../../core/runs.js';

/** The folder of a run in memory: only a name; nothing is created, locked or written. */
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
    // No other process can use it.
  }

  release(): void {
    // Nothing was claimed.
  }

  writeConfig(_yaml: string): string | undefined {
    return undefined;
  }
}
