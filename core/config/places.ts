import { showOrigin, writtenAt, type ComposedConfig } from './composed.js';
import { pathKey, type ConfigPath } from './path.js';

/** Tells where the values of a run's config were written, for errors about them. Inject it by this class. */
export class ConfigPlaces {
  constructor(private readonly composed: ComposedConfig) {}

  /** `file:line` of the value at the path, or the file or `--set` alone; undefined where it is a default. */
  of(path: ConfigPath): string | undefined {
    const origin = writtenAt(this.composed, path);
    return origin === undefined ? undefined : showOrigin(origin);
  }

  /** The same as the start of a message, `file:line: `; nothing where it is a default. */
  before(path: ConfigPath): string {
    const place = this.of(path);
    return place === undefined ? '' : `${place}: `;
  }

  /** The key with its place before it, `file:line: key model.n_head`. */
  key(path: ConfigPath): string {
    return `${this.before(path)}key ${pathKey(path)}`;
  }
}
