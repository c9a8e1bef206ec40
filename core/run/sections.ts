/** Ends a section that nobody watches. */
const nothing = (): void => undefined;

/** Hears where sections begin and end: profilers and tracers. */
export interface SectionWatcher {
  begin(name: string): void;
  end(name: string): void;
}

/**
 * The parts of an iteration that are not a listener's: `data_loading`, `forward`, `backward`, `clipping`, `optimizer`,
 * and between iterations `evaluation` and `checkpoint`. Sections nest; whatever does a named piece of work may mark its
 * own. It costs next to nothing while nobody watches.
 */
export class Sections {
  #watchers: readonly SectionWatcher[] = [];

  /** Adds a watcher; returns its remover. */
  watch(watcher: SectionWatcher): () => void {
    this.#watchers = [...this.#watchers, watcher];
    return () => {
      this.#watchers = this.#watchers.filter((other) => other !== watcher);
    };
  }

  /** Does the work as a section, which ends when the work has, or when its promise is settled. */
  measure<T>(name: string, work: () => T): T {
    if (this.#watchers.length === 0) return work();
    const end = this.begin(name);
    let result: T;
    try {
      result = work();
    } catch (thrown) {
      end();
      throw thrown;
    }
    if (result instanceof Promise) result.then(end, end);
    else end();
    return result;
  }

  /** For a section that is no single call; returns what ends it. */
  begin(name: string): () => void {
    const watchers = this.#watchers;
    if (watchers.length === 0) return nothing;
    for (const watcher of watchers) watcher.begin(name);
    return () => {
      for (const watcher of watchers) watcher.end(name);
    };
  }
}
