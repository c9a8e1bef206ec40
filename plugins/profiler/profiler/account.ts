import type { EventBus, Registration, Sections } from '../../../core/index.js';

/** Time that is counted under one name. */
export interface SectionTime {
  readonly name: string;
  readonly children: Map<string, SectionTime>;
  /** Milliseconds in it and in none of its children. */
  own: number;
}

/** Time in a plugin's listeners of one event; those of others that they call are not in it. */
export interface ListenerTime {
  readonly plugin: string;
  readonly event: string;
  /** Milliseconds. */
  all: number;
  /** Of those, within iterations. */
  inIterations: number;
  /** Of those, in no section: they are in the tree under the plugin's name. */
  outside: number;
}

/** Where the time since the account was opened went; all in milliseconds. */
export interface Times {
  readonly sections: SectionTime;
  readonly listeners: ReadonlyMap<Registration, ListenerTime>;
  /** From `iteration:start` to the end of `iteration:end`, all iterations together: evaluations and checkpoints are between them. */
  iterations: number;
  /** In no section and no listener: the loop itself. */
  other: number;
}

/**
 * Keeps account of where a run's time goes: at each beginning and end of a section or listener, the time since the last
 * one belongs to what was on top. Two stacks, as a section may have listeners in it and a listener sections.
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

  /** Watches from now on; returns what ends it. */
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

/** Milliseconds in a section, its children's included. */
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

/** What began in the background may end out of turn. */
function leave<T>(stack: T[], what: T): void {
  const at = stack.lastIndexOf(what);
  if (at >= 0) stack.splice(at, 1);
}
