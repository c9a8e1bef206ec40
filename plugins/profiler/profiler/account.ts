import type { EventBus, Registration, Sections } from '../../../core/index.js';

/** Time in one section. */
export interface SectionTime {
  readonly name: string;
  readonly children: Map<string, SectionTime>;
  /** Milliseconds in the section, without its children. */
  own: number;
}

/** Time in a plugin's listener of one event, without other listeners that it calls. */
export interface ListenerTime {
  readonly plugin: string;
  readonly event: string;
  /** Milliseconds in total. */
  all: number;
  /** The part of it within iterations. */
  inIterations: number;
  /** The part of it outside sections, which the time tree shows under the plugin's name. */
  outside: number;
}

/** Where the time since `open` went, in milliseconds. */
export interface Times {
  readonly sections: SectionTime;
  readonly listeners: ReadonlyMap<Registration, ListenerTime>;
  /**
   * All iterations, from `iteration:start` to the end of `iteration:end`; evaluations and checkpoints are in between.
   */
  iterations: number;
  /** Outside sections and listeners: the loop itself. */
  other: number;
}

/**
 * Measures where a run's time goes. Whenever a section or listener begins or ends, the time since the last such moment
 * is added to the innermost one. Keeps two stacks, since sections may contain listeners and listeners sections.
 */
export class Account {
  readonly #times = {
    sections: section(''),
    listeners: new Map<Registration, ListenerTime>(),
    iterations: 0,
    other: 0,
  };
  readonly #sections: SectionTime[] = [];
  readonly #listeners: ListenerTime[] = [];
  #inIteration = false;
  #last = performance.now();

  get times(): Times {
    this.#count();
    return this.#times;
  }

  /** Starts measuring. @returns a function that stops it */
  open(bus: EventBus, sections: Sections): () => void {
    this.#last = performance.now();
    const stops = [
      bus.spy({
        beforeEvent: (event) => {
          if (event === 'iteration:start') this.#iteration(true);
        },
        afterEvent: (event) => {
          if (event === 'iteration:end') this.#iteration(false);
        },
        before: (registration) => {
          this.#count();
          this.#listeners.push(this.#listener(registration));
        },
        after: (registration) => {
          this.#count();
          leave(this.#listeners, this.#listener(registration));
        },
      }),
      sections.watch({
        begin: (name) => {
          this.#count();
          this.#sections.push(childOf(this.#sections.at(-1) ?? this.#times.sections, name));
        },
        end: (name) => {
          this.#count();
          const ended = this.#sections.findLast((open) => open.name === name);
          if (ended !== undefined) leave(this.#sections, ended);
        },
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  #iteration(inside: boolean): void {
    this.#count();
    this.#inIteration = inside;
  }

  #count(): void {
    const now = performance.now();
    const elapsed = now - this.#last;
    this.#last = now;
    const listener = this.#listeners.at(-1);
    const open = this.#sections.at(-1);
    if (this.#inIteration) this.#times.iterations += elapsed;
    if (open !== undefined) open.own += elapsed;
    if (listener === undefined) {
      if (open === undefined) this.#times.other += elapsed;
      return;
    }
    listener.all += elapsed;
    if (this.#inIteration) listener.inIterations += elapsed;
    if (open === undefined) listener.outside += elapsed;
  }

  #listener(registration: Registration): ListenerTime {
    const known = this.#times.listeners.get(registration);
    if (known !== undefined) return known;
    const { plugin, event } = registration;
    const made = { plugin, event, all: 0, inIterations: 0, outside: 0 };
    this.#times.listeners.set(registration, made);
    return made;
  }
}

/** Returns the milliseconds in a section, including its children. */
export function total({ own, children }: SectionTime): number {
  return [...children.values()].reduce((sum, child) => sum + total(child), own);
}

function section(name: string): SectionTime {
  return { name, children: new Map(), own: 0 };
}

function childOf(parent: SectionTime, name: string): SectionTime {
  const known = parent.children.get(name);
  if (known !== undefined) return known;
  const made = section(name);
  parent.children.set(name, made);
  return made;
}

/** Removes an entry from a stack, even if it is not on top: background work may end out of order. */
function leave<T>(stack: T[], what: T): void {
  const at = stack.lastIndexOf(what);
  if (at >= 0) stack.splice(at, 1);
}
