import type { EventBus, EventName, Events } from '../../../core/index.js';

/** An event of a run: its fields as they were when its last listener had run. Tensors in it may be disposed since. */
export type RecordedEvent = {
  [Name in EventName]: { readonly event: Name; readonly payload: Readonly<Events[Name]> };
}[EventName];

/** Keeps what a run publishes, after every plugin has heard of it. */
export class EventRecorder {
  readonly all: RecordedEvent[] = [];

  constructor(bus: EventBus) {
    for (const { name } of bus.events.list()) this.#keep(bus, name as EventName);
  }

  /** The payloads of an event, in order. */
  of<Name extends EventName>(event: Name): Readonly<Events[Name]>[] {
    return this.all.flatMap((each) => (isOf(each, event) ? [each.payload] : []));
  }

  /** Names of the events, in order. */
  get names(): EventName[] {
    return this.all.map(({ event }) => event);
  }

  /** The values of a metric, by the iteration that each was published for; of several for one, the last. */
  metric(name: string): Map<number, number> {
    const found = this.of('metrics').flatMap(({ iteration, values }): [number, number][] => {
      const value = values[name];
      return value === undefined ? [] : [[iteration, value]];
    });
    return new Map(found);
  }

  /** Mean training loss of each iteration, in nats, by its number; after a rollback, of the one that counts. */
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
