import { suggestion } from '../config/nearest.js';
import { UsageError } from '../errors.js';
import type { EventDeclaration, EventDeclarations } from './define.js';
import { lifecycle } from './lifecycle.js';

/** An event and its declarer. */
export interface DeclaredEvent extends EventDeclaration {
  readonly name: string;
  /** `core`, or the name of a family or plugin. */
  readonly from: string;
}

/** Every event that a run may dispatch: the core's, in the order of a run, then those that plugins declare. */
export class EventTable {
  readonly #events = new Map<string, DeclaredEvent>();

  /**
   * @param tables each with the family or plugin that declares it
   * @throws UsageError if two declare the same event differently
   */
  constructor(tables: Iterable<readonly [from: string, events: EventDeclarations]> = []) {
    this.#add('core', lifecycle);
    for (const [from, events] of tables) this.#add(from, events);
  }

  /** Returns the events in order. */
  list(): DeclaredEvent[] {
    return [...this.#events.values()];
  }

  has(name: string): boolean {
    return this.#events.has(name);
  }

  /**
   * Returns the error for an undeclared event, with the nearest name.
   * @param what what uses it and how: `plugin x (./x.ts): look listens to`
   */
  unknown(name: string, what: string): UsageError {
    const near = suggestion(name, [...this.#events.keys()], 'events');
    const text = `${what} ${JSON.stringify(name)}, which is not an event: ${near} (\`espalier events\` lists all; a plugin declares its own in \`@Plugin({ events })\`)`;
    return new UsageError('ESP_PLUGIN_EVENT', text);
  }

  #add(from: string, events: EventDeclarations): void {
    for (const [name, event] of Object.entries(events)) {
      const other = this.#events.get(name);
      if (other === undefined) this.#events.set(name, { name, from, ...event });
      else if (shapeOf(other) !== shapeOf(event)) throw declaredTwice(name, other.from, from);
    }
  }
}

/**
 * A listener may repeat the declaration of the plugin it listens to: declarations with the same fields are one event.
 */
function shapeOf({ payload }: EventDeclaration): string {
  const fields = Object.entries(payload).map(([name, { replaceable }]) => `${name}${replaceable ? '*' : ''}`);
  return fields.sort().join(' ');
}

function declaredTwice(name: string, one: string, other: string): UsageError {
  return new UsageError(
    'ESP_EVENT_TWICE',
    `${one === 'core' ? 'the core' : `plugin ${one}`} and plugin ${other} both declare the event ${JSON.stringify(name)}, with different fields; rename one`,
  );
}
