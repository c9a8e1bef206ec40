/** What `begin` returns while nobody watches. */
const nothing = (): void => undefined;

/** Called where sections begin and end: profilers and tracers. */
export interface SectionWatcher {
  begin(name: string): void;
  end(name: string): void;
}

/**
 * The parts of an iteration outside listeners: `data_loading`, `forward`, `backward`, `clipping`, `optimizer`, and
 * between iterations `evaluation` and `checkpoint`. Sections nest, and any code may add sections of its own. They cost
 * next to nothing while nobody watches.
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

  /** Runs the work as a section, which ends when the work returns or its promise settles. */
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

  /** Begins a section that is not a single call; returns the function that ends it. */
  begin(name: string): () => void {
    const watchers = this.#watchers;
    if (watchers.length === 0) return nothing;
    for (const watcher of watchers) watcher.begin(name);
    return () => {
      for (const watcher of watchers) watcher.end(name);
    };
  }
}
