import { EventEmitter } from 'eventemitter3';
import { messageOf, PluginError } from '../errors.js';
import type { EventName, Events } from './lifecycle.js';

export type Listener<Name extends EventName> = (payload: Events[Name]) => void | Promise<void>;

/** A listener with what it is called for; the list of these is the order of a run. */
export interface Registration<Name extends EventName = EventName> {
  readonly plugin: string;
  readonly event: Name;
  /** False: a failure is logged and the plugin muted after repeated ones; the run goes on. */
  readonly critical: boolean;
}

/** Looks at every event and every listener call from outside: profilers, tracers, the current engine. */
export interface Spy {
  /** Before an event's first listener, and after its last one and those that only watch, also when one failed. */
  beforeEvent?(event: EventName): void;
  afterEvent?(event: EventName): void;
  before?(registration: Registration): void;
  after?(registration: Registration): void;
}

type Handler = { registration: Registration; call: (payload: unknown) => void | Promise<void> };
type EmitterMap = { [Name in EventName]: (payload: Events[Name]) => void };

const FAILURES_BEFORE_MUTING = 3;
const NO_HANDLERS: readonly Handler[] = [];

/**
 * The run's events, on eventemitter3. Listeners run one after the other in the order they were added
 * (the order of their plugins); `emit` awaits those that return a promise, and stays synchronous
 * while none does. Plain eventemitter3 listeners (`on`, `once`) may watch too, after all others.
 */
export class EventBus extends EventEmitter<EmitterMap> {
  /** Never changed in place: a dispatch goes on with the list that it began with. */
  readonly #handlers = new Map<EventName, readonly Handler[]>();
  #spies: readonly Spy[] = [];
  readonly #failures = new Map<string, number>();
  readonly #running: Registration[] = [];

  /** @param onTolerated told of failures of plugins that are not critical; `muted` at the last one */
  constructor(private readonly onTolerated: (error: PluginError, muted: boolean) => void = () => undefined) {
    super();
  }

  /** Adds a listener after those there are; returns its remover. */
  listen<Name extends EventName>(registration: Registration<Name>, listener: Listener<Name>): () => void {
    const handler: Handler = { registration, call: listener as Handler['call'] };
    this.#handlers.set(registration.event, [...this.#handlersOf(registration.event), handler]);
    return () => {
      const others = this.#handlersOf(registration.event).filter((other) => other !== handler);
      this.#handlers.set(registration.event, others);
    };
  }

  /** Watches every event and listener call; returns its remover. */
  spy(spy: Spy): () => void {
    this.#spies = [...this.#spies, spy];
    return () => {
      this.#spies = this.#spies.filter((other) => other !== spy);
    };
  }

  /** Names of the plugins that listen to an event, in their order. */
  order(event: EventName): string[] {
    return this.#handlersOf(event).map((handler) => handler.registration.plugin);
  }

  /** The listeners that have not ended: the last was called by what the one before it dispatched. */
  get running(): readonly Registration[] {
    return this.#running;
  }

  /**
   * Runs the event's listeners in order.
   * @returns a promise only when a listener returned one
   * @throws PluginError naming plugin and event, from the first critical listener that fails
   */
  dispatch<Name extends EventName>(event: Name, payload: Events[Name]): void | Promise<void> {
    const spies = this.#spies;
    for (const spy of spies) spy.beforeEvent?.(event);
    let pending: Promise<void> | undefined;
    try {
      pending = this.#from(0, this.#handlersOf(event), event, payload);
    } catch (thrown) {
      tellAfterEvent(spies, event);
      throw thrown;
    }
    if (pending !== undefined) {
      return pending.finally(() => {
        tellAfterEvent(spies, event);
      });
    }
    tellAfterEvent(spies, event);
  }

  #handlersOf(event: EventName): readonly Handler[] {
    return this.#handlers.get(event) ?? NO_HANDLERS;
  }

  #from<Name extends EventName>(
    start: number,
    handlers: readonly Handler[],
    event: Name,
    payload: Events[Name],
  ): Promise<void> | undefined {
    for (let i = start; i < handlers.length; i++) {
      const handler = handlers[i];
      if (handler === undefined || this.#isMuted(handler.registration)) continue;
      const pending = this.#call(handler, payload);
      if (pending !== undefined) return pending.then(() => this.#from(i + 1, handlers, event, payload));
    }
    this.#notifyWatchers(event, payload);
    return undefined;
  }

  #notifyWatchers<Name extends EventName>(event: Name, payload: Events[Name]): void {
    const args = [payload] as Parameters<EventEmitter.EventListener<EmitterMap, Name>>;
    this.emit(event, ...args);
  }

  #call({ registration, call }: Handler, payload: unknown): Promise<void> | undefined {
    const spies = this.#spies;
    for (const spy of spies) spy.before?.(registration);
    this.#running.push(registration);
    let result: void | Promise<void>;
    try {
      result = call(payload);
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
    this.#running.splice(this.#running.lastIndexOf(registration), 1);
    for (const spy of spies) spy.after?.(registration);
  }

  #fail(registration: Registration, thrown: unknown): void {
    const error =
      thrown instanceof PluginError ? thrown : new PluginError(registration.plugin, registration.event, thrown);
    if (registration.critical) throw error;
    const failures = (this.#failures.get(registration.plugin) ?? 0) + 1;
    this.#failures.set(registration.plugin, failures);
    const muted = failures === FAILURES_BEFORE_MUTING;
    if (failures === 1 || muted) this.onTolerated(error, muted);
  }

  #isMuted({ plugin }: Registration): boolean {
    return (this.#failures.get(plugin) ?? 0) >= FAILURES_BEFORE_MUTING;
  }
}

function tellAfterEvent(spies: readonly Spy[], event: EventName): void {
  for (const spy of spies) spy.afterEvent?.(event);
}

/** One line on a plugin that failed without ending the run. */
export function describeTolerated(error: PluginError, muted: boolean): string {
  const then = muted
    ? `it failed ${String(FAILURES_BEFORE_MUTING)} times and is muted from here on`
    : 'the run goes on';
  return `plugin ${error.plugin} failed at ${error.where}: ${messageOf(error.cause)}; ${then}`;
}
