import { EventEmitter } from 'eventemitter3';
import { messageOf, PluginError } from '../errors.js';
import type { EventName, Events } from './lifecycle.js';
import { EventTable } from './table.js';

export type Listener<Name extends EventName> = (payload: Events[Name]) => void | Promise<void>;

/** A plugin's listener to an event; the registrations in order are the order of a run. */
export interface Registration<Name extends EventName = EventName> {
  readonly plugin: string;
  readonly event: Name;
  /** If false, a failure is logged, the plugin is muted after repeated ones, and the run continues. */
  readonly critical: boolean;
  /** False if the event may be left out for this listener, see `isNeeded`. Default: true. */
  readonly needs?: (() => boolean) | undefined;
}

/** Observes every event and every listener call: for profilers, tracers, leak checks. */
export interface Spy {
  /** Called before an event's first listener, and `afterEvent` after its last one, even if one failed. */
  beforeEvent?(event: EventName): void;
  afterEvent?(event: EventName): void;
  before?(registration: Registration): void;
  after?(registration: Registration): void;
}

/** One dispatch of an event: each listener waits for `pending`, and stores there what the next one must wait for. */
interface Pass {
  pending: Promise<void> | undefined;
}

const FAILURES_BEFORE_MUTING = 3;

/**
 * The run's events, on eventemitter3. Listeners run one after the other in the order they were added (the order of
 * their plugins). `dispatch` awaits those that return a promise, and is synchronous if none does.
 */
export class EventBus {
  readonly #emitter = new EventEmitter<EventName>();
  readonly #registrations: Registration[] = [];
  #spies: readonly Spy[] = [];
  readonly #failures = new Map<string, number>();
  readonly #running: Registration[] = [];

  /**
   * @param onTolerated called with a line on the failure of a plugin that is not critical
   * @param events those that may be listened to and dispatched
   */
  constructor(
    private readonly onTolerated: (line: string) => void = () => undefined,
    readonly events = new EventTable(),
  ) {}

  /** Adds a plugin's listener after the others; returns its remover. */
  listen<Name extends EventName>(registration: Registration<Name>, listener: Listener<Name>): () => void {
    const { event, plugin } = registration;
    if (!this.events.has(event)) throw this.events.unknown(event, `plugin ${plugin} listens to`);
    this.#registrations.push(registration);
    const remove = this.#add(event, (payload: Events[Name]) => this.#call(registration, listener, payload));
    return () => {
      remove();
      this.#registrations.splice(this.#registrations.indexOf(registration), 1);
    };
  }

  /** Adds a listener of the embedding program after the others; returns its remover. Its errors end the run. */
  on<Name extends EventName>(event: Name, listener: (payload: Events[Name]) => unknown): () => void {
    if (!this.events.has(event)) throw this.events.unknown(event, 'a listener waits for');
    return this.#add(event, (payload: Events[Name]) => {
      const result = listener(payload);
      return result instanceof Promise ? result.then(() => undefined) : undefined;
    });
  }

  /** Watches every event and listener call; returns its remover. */
  spy(spy: Spy): () => void {
    this.#spies = [...this.#spies, spy];
    return () => {
      this.#spies = this.#spies.filter((other) => other !== spy);
    };
  }

  /** Returns the names of the plugins that listen to an event, in order. */
  order(event: string): string[] {
    return this.#registrations.filter((each) => each.event === event).map(({ plugin }) => plugin);
  }

  /** Returns whether a listener needs an event that the core may leave out; `On` says which it does not need. */
  isNeeded(event: EventName): boolean {
    const spared = this.#registrations.filter((each) => each.event === event && each.needs?.() === false);
    return this.#emitter.listenerCount(event) > spared.length;
  }

  /** Returns the active listeners, outermost first: each was called through an event of the one before. */
  get running(): readonly Registration[] {
    return this.#running;
  }

  /**
   * Runs the event's listeners in order.
   * @returns a promise only if a listener returned one
   * @throws PluginError naming plugin and event, from the first critical listener that fails
   * @throws UsageError if nobody declares the event
   */
  dispatch<Name extends EventName>(event: Name, payload: Events[Name]): void | Promise<void> {
    const spies = this.#spies;
    for (const spy of spies) spy.beforeEvent?.(event);
    const pass: Pass = { pending: undefined };
    try {
      const isHeard = this.#emitter.emit(event, payload, pass);
      if (!isHeard && !this.events.has(event)) {
        throw this.events.unknown(event, `plugin ${this.#running.at(-1)?.plugin ?? 'core'} publishes`);
      }
    } catch (thrown) {
      eventEnded(spies, event);
      throw thrown;
    }
    if (pass.pending !== undefined) {
      return pass.pending.finally(() => {
        eventEnded(spies, event);
      });
    }
    eventEnded(spies, event);
  }

  #add<Payload>(event: EventName, call: (payload: Payload) => Promise<void> | undefined): () => void {
    const step = (payload: Payload, pass: Pass): void => {
      pass.pending = pass.pending === undefined ? call(payload) : pass.pending.then(() => call(payload));
    };
    this.#emitter.on(event, step);
    return () => {
      this.#emitter.off(event, step);
    };
  }

  #call<Payload>(
    registration: Registration,
    listener: (payload: Payload) => void | Promise<void>,
    payload: Payload,
  ): Promise<void> | undefined {
    if (this.#isMuted(registration)) return undefined;
    const spies = this.#spies;
    for (const spy of spies) spy.before?.(registration);
    this.#running.push(registration);
    let result: void | Promise<void>;
    try {
      result = listener(payload);
    } catch (thrown) {
      this.#ended(spies, registration);
      this.#fail(registration, thrown);
      return undefined;
    }
    if (result instanceof Promise) {
      return result.then(
        () => {
          this.#ended(spies, registration);
        },
        (thrown: unknown) => {
          this.#ended(spies, registration);
          this.#fail(registration, thrown);
        },
      );
    }
    this.#ended(spies, registration);
    return undefined;
  }

  #ended(spies: readonly Spy[], registration: Registration): void {
    // Nearly always the last entry: popping it allocates nothing.
    if (this.#running.at(-1) === registration) this.#running.pop();
    else this.#running.splice(this.#running.lastIndexOf(registration), 1);
    for (const spy of spies) spy.after?.(registration);
  }

  #fail(registration: Registration, thrown: unknown): void {
    const error =
      thrown instanceof PluginError ? thrown : new PluginError(registration.plugin, registration.event, thrown);
    if (registration.critical) throw error;
    const failures = (this.#failures.get(registration.plugin) ?? 0) + 1;
    this.#failures.set(registration.plugin, failures);
    const muted = failures === FAILURES_BEFORE_MUTING;
    if (failures > 1 && !muted) return;
    const then = muted
      ? `it failed ${String(failures)} times and is muted for the rest of the run`
      : 'the run continues';
    this.onTolerated(`plugin ${error.plugin} failed at ${error.where}: ${messageOf(error.cause)}; ${then}`);
  }

  #isMuted({ plugin }: Registration): boolean {
    return (this.#failures.get(plugin) ?? 0) >= FAILURES_BEFORE_MUTING;
  }
}

function eventEnded(spies: readonly Spy[], event: EventName): void {
  for (const spy of spies) spy.afterEvent?.(event);
}
