import 'reflect-metadata';
import type { InjectionToken } from 'tsyringe';
import { injectable } from 'tsyringe';
import type { z } from 'zod';
import type { StoredTensor } from '../contracts/checkpoint-store.js';
import type { EngineProbe } from '../contracts/engine.js';
import type { MemoryNeed, PlannedShape } from '../contracts/model.js';
import { token, type Token } from '../contracts/token.js';
import type { EventDeclarations } from '../events/define.js';
import type { EventName, Events } from '../events/lifecycle.js';
import type { MetricTable } from '../metrics/metrics.js';

/** The plugin's own part of the config, checked by its schema. Inject it with `@inject(PluginConfig)`. */
export const PluginConfig: Token<unknown> = token('PluginConfig');

/** What `Bindings.wrap` stands in front of. Inject it with `@inject(Wrapped)`. */
export const Wrapped: Token<unknown> = token('Wrapped');

/** The keys of a config that are filled by exactly one plugin. */
export const slots = ['engine', 'tokenizer', 'data', 'batches', 'model', 'optimizer', 'lr'] as const;
export type Slot = (typeof slots)[number];

/** What a plugin says of itself. */
export interface PluginOptions {
  /** Unique; the name used in configs, logs, errors and checkpoints. */
  name: string;
  /** One sentence, shown by `espalier plugins`. */
  summary: string;
  /** Schema of its options: describe each, and give defaults. Without one the plugin takes none. Or the class's static `options`. */
  config?: z.ZodType;
  /** The slot it can fill; features that are on or off have none. */
  slot?: Slot;
  /**
   * The slot whose contract it wraps: it is then loaded, and gets its state back, wherever that slot is in use,
   * in `espalier evaluate` too.
   */
  wraps?: Slot;
  /** The metrics that it publishes, by name: what `espalier metrics` and docs/reference/metrics.md print, and sinks ask for. */
  metrics?: MetricTable;
  /** The events of its own that it publishes; a plugin that listens to another's may give that one's too. */
  events?: EventDeclarations;
  /** For engines: `engine: auto` tries those with a lower rank first. */
  rank?: number;
  /**
   * Names of plugins whose listeners run before (after) this one's; those not present are ignored.
   * `before: ['*']` is before all that do not ask to be earlier.
   */
  after?: readonly string[];
  before?: readonly string[];
  /** Version of what `state()` returns, from 1: a checkpoint with a newer one is refused. */
  stateVersion?: number;
  /** False for plugins that only watch: their failures are logged and the run goes on. Default true. */
  critical?: boolean;
  /**
   * Where several ranks train one model, the ranks on which its listeners run: all, or the first alone, as for what
   * writes files or shows something. Default `first` for plugins that only watch, else `all`.
   */
  ranks?: 'all' | 'first';
}

/** Where a plugin binds contracts, in its static `register`. */
export interface Bindings {
  /** Binds a contract to a class (one instance a run, made when first asked for). */
  bind<T>(contract: Token<T>, implementation: new (...args: never[]) => T): void;
  /**
   * Adds a class to a contract that several plugins add to, one instance a run. Who asks for the contract gets all of
   * them, with `isOptional`: undefined where no plugin adds any.
   */
  add<T>(contract: Token<readonly T[]>, implementation: new (...args: never[]) => T): void;
  /** Puts a class in front of what another plugin binds, which it is given as `@inject(Wrapped)`. */
  wrap<T>(contract: Token<T>, implementation: new (...args: never[]) => T): void;
}

/**
 * What a plugin may do beside its `@On` listeners; all optional.
 * The container makes one instance a run, with what its constructor asks for.
 */
export interface PluginInstance {
  /**
   * Plain JSON to keep in every checkpoint, under the plugin's name; undefined where there is nothing to keep. What tells
   * this run from another of the same config, such as its name on a server, stands under `identity`: `verify-resume`
   * compares all but that.
   */
  state?(): unknown;
  /** What is too large for JSON, with or without `state()`, under names of the plugin's own: read, and not changed. */
  stateTensors?(): ReadonlyMap<string, StoredTensor>;
  /**
   * Gets back what `state()` returned, before `run:start`, and when the run goes back to a checkpoint: then `undefined`
   * too, where there was nothing to keep when it was made.
   * @param version that it was written with, if not of now
   */
  restore?(state: unknown, version: number): void;
  /** Gets back what `stateTensors()` returned, after `restore`; empty where it was. */
  restoreTensors?(tensors: ReadonlyMap<string, StoredTensor>): void;
  /** Releases what the plugin holds; called in reverse order, always, even after a failure. */
  dispose?(): void | Promise<void>;
}

/** A plugin's class. */
export interface PluginClass {
  new (...args: never[]): object;
  /** Schema of its options, in place of `config` of its `@Plugin`: the compiler then checks those that `createRun` gets. */
  readonly options?: z.ZodType;
  /** Binds contracts, before any plugin is made. */
  register?(bindings: Bindings): void;
  /** Models only: what a run with these options takes of memory; a run that cannot fit is refused before it is made. */
  memoryNeeded?(config: unknown, shape: PlannedShape): MemoryNeed;
  /** Optimizers only: numbers that it keeps for each trained weight, for estimates of memory; 2 when not given. */
  readonly numbersPerWeight?: number;
  /** Engines only: says whether it works here, without side effects. */
  probe?(): EngineProbe | Promise<EngineProbe>;
  /** Engines only: whether `probe` may find a GPU, told at once. One that may is asked before a better ranked one is taken. */
  mayHaveGpu?(): boolean;
  /** Engines only: makes it work on this machine (`espalier engine install`). */
  install?(request: InstallRequest): Promise<void>;
}

export interface InstallRequest {
  /** The build for GPUs. */
  gpu: boolean;
  /** Again, over what is there. */
  force: boolean;
  log: (line: string) => void;
}

interface ListenerMark {
  event: EventName;
  method: string | symbol;
}

const optionsOf = new WeakMap<object, PluginOptions>();
const listenersOf = new WeakMap<object, ListenerMark[]>();

/** Marks a class as a plugin and makes it injectable. */
export function Plugin(options: PluginOptions): (target: PluginClass) => void {
  return (target) => {
    optionsOf.set(target, target.options === undefined ? options : { config: target.options, ...options });
    injectable<object>()(target as new (...args: unknown[]) => object);
  };
}

/** Marks a method as a listener of an event; the compiler checks that it takes the event's payload. */
export function On<Name extends EventName>(event: Name) {
  return <Method extends (payload: Events[Name]) => void | Promise<void>>(
    target: object,
    method: string | symbol,
    _descriptor: TypedPropertyDescriptor<Method>,
  ): void => {
    const marks = listenersOf.get(target) ?? [];
    marks.push({ event, method });
    listenersOf.set(target, marks);
  };
}

/** The options that `@Plugin` was given, or undefined when the value is no plugin class. */
export function pluginOptions(value: unknown): PluginOptions | undefined {
  return typeof value === 'function' ? optionsOf.get(value) : undefined;
}

/** The listeners of a class and the classes it extends, base first. */
export function pluginListeners(of: PluginClass): ListenerMark[] {
  const marks: ListenerMark[] = [];
  for (
    let proto: unknown = of.prototype;
    proto !== null && typeof proto === 'object';
    proto = Object.getPrototypeOf(proto)
  ) {
    marks.unshift(...(listenersOf.get(proto) ?? []));
  }
  return marks;
}

/** True if a plugin's `register` adds to one of these contracts. */
export function addsTo(of: PluginClass, contracts: readonly symbol[]): boolean {
  let adds = false;
  const ignore = (): void => undefined;
  const add = (contract: symbol): void => {
    adds ||= contracts.includes(contract);
  };
  if (contracts.length > 0) of.register?.({ bind: ignore, wrap: ignore, add });
  return adds;
}

/** Same as tsyringe's, so that a plugin needs one import. */
export { inject, injectable } from 'tsyringe';
export type { InjectionToken };
