import type { EventBus, EventName, Events } from '../../../core/index.js';

/**
 * An event of a run, with its fields as they were after its last listener. Its tensors may have been disposed since.
 */
export type RecordedEvent = {
  [Name in EventName]: { readonly event: Name; readonly payload: Readonly<Events[Name]> };
}[EventName];

/** Records the events of a run, after every plugin has received them. */
export class EventRecorder {
  readonly all: RecordedEvent[] = [];

  constructor(bus: EventBus) {
    for (const { name } of bus.events.list()) this.#keep(bus, name as EventName);
  }

  /** Returns the payloads of an event, in order. */
  of<Name extends EventName>(event: Name): Readonly<Events[Name]>[] {
    return this.all.flatMap((each) => (isOf(each, event) ? [each.payload] : []));
  }

  /** Names of the events, in order. */
  get names(): EventName[] {
    return this.all.map(({ event }) => event);
  }

  /** Returns the values of a metric by iteration; the last value if there are several. */
  metric(name: string): Map<number, number> {
    const found = this.of('metrics').flatMap(({ iteration, values }): [number, number][] => {
      const value = values[name];
      return value === undefined ? [] : [[iteration, value]];
    });
    return new Map(found);
  }

  /** Mean training loss of each iteration, in nats; after a rollback, of the repeated iterations. */
  get losses(): Map<number, number> {
    return new Map(this.of('iteration:end').map(({ iteration, loss }) => [iteration, loss]));
  }

  #keep<Name extends EventName>(bus: EventBus, event: Name): void {
    bus.listen({ plugin: 'recorder', event, critical: true }, (payload) => {
      this.all.push({ event, payload: { ...payload } } as RecordedEvent);
    });
  }
}

function isOf<Name extends EventName>(
  each: RecordedEvent,
  event: Name,
): each is Extract<RecordedEvent, { event: Name }> & { payload: Events[Name] } {
  return each.event === event;
}
