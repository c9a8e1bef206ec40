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

/** The plugin's own options, checked by its schema. Inject them with `@inject(PluginConfig)`. */
export const PluginConfig: Token<unknown> = token('PluginConfig');

/** The instance that a class given to `Bindings.wrap` wraps. Inject it with `@inject(Wrapped)`. */
export const Wrapped: Token<unknown> = token('Wrapped');

/** The parts of a run that exactly one plugin each fills. */
export const slots = ['engine', 'tokenizer', 'data', 'batches', 'model', 'optimizer', 'lr'] as const;
export type Slot = (typeof slots)[number];

/** The options of `@Plugin`. */
export interface PluginOptions {
  /** Unique; the name used in configs, logs, errors and checkpoints. */
  name: string;
  /** One sentence, shown by `espalier plugins`. */
  summary: string;
  /** Schema of its options: describe each, with defaults. Without it, or static `options`, there are no options. */
  config?: z.ZodType;
  /** The slot it can fill; features have none. */
  slot?: Slot;
  /** The slot whose contract it wraps; it is loaded and restored wherever that slot is in use (`espalier evaluate`). */
  wraps?: Slot;
  /** The metrics that it publishes, by name: printed by `espalier metrics` and docs/reference/metrics.md. */
  metrics?: MetricTable;
  /** The events that it publishes; a plugin that listens to another's events may repeat their declaration here. */
  events?: EventDeclarations;
  /** Engines only: `engine: auto` tries engines with a lower rank first. */
  rank?: number;
  /**
   * Names of plugins whose listeners run before (`after`) or after (`before`) this one's; absent ones are ignored.
   * `before: ['*']` comes before all plugins that do not have it too.
   */
  after?: readonly string[];
  before?: readonly string[];
  /** Version of what `state()` returns, from 1: checkpoints with a newer version are refused. */
  stateVersion?: number;
  /** False for plugins that only observe: their failures are logged and the run continues. Default: true. */
  critical?: boolean;
  /**
   * With several ranks, where its listeners run: on all, or only on the first, as suits plugins that write files or
   * show something. Default: `first` if not critical, else `all`.
   */
  ranks?: 'all' | 'first';
}

/** Binds contracts; passed to a plugin's static `register`. */
export interface Bindings {
  /** Binds a contract to a class (one instance per run, created on first use). */
  bind<T>(contract: Token<T>, implementation: new (...args: never[]) => T): void;
  /**
   * Adds a class (one instance per run) to a contract that several plugins add to. Injecting the contract gives all of
   * them; inject it with `isOptional`, since it is undefined if no plugin adds any.
   */
  add<T>(contract: Token<readonly T[]>, implementation: new (...args: never[]) => T): void;
  /** Wraps what another plugin binds; the class receives that as `@inject(Wrapped)`. */
  wrap<T>(contract: Token<T>, implementation: new (...args: never[]) => T): void;
}

/**
 * Optional methods of a plugin, besides its `@On` listeners.
 * The container creates one instance per run and injects its constructor's parameters.
 */
export interface PluginInstance {
  /**
   * Returns plain JSON to save in every checkpoint; undefined if there is nothing to save. Put what identifies this run
   * among runs of the same config, such as its ID on a server, under `identity`: `verify-resume` does not compare that.
   */
  state?(): unknown;
  /** Returns arrays that are too large for JSON, under names of the plugin's own; they are read, never changed. */
  stateTensors?(): ReadonlyMap<string, StoredTensor>;
  /**
   * Restores what `state()` returned, before `run:start` and on a rollback; then also `undefined`, if `state()` had
   * returned that.
   * @param version the `stateVersion` it was written with
   */
  restore?(state: unknown, version: number): void;
  /** Restores what `stateTensors()` returned, after `restore`; the map is empty if that was. */
  restoreTensors?(tensors: ReadonlyMap<string, StoredTensor>): void;
  /** Releases the plugin's resources; always called, in reverse order, even after a failure. */
  dispose?(): void | Promise<void>;
}

/** A plugin's class. */
export interface PluginClass {
  new (...args: never[]): object;
  /** Schema of its options, instead of `config` of its `@Plugin`; the compiler then checks options of `createRun`. */
  readonly options?: z.ZodType;
  /** Binds contracts, before any plugin is made. */
  register?(bindings: Bindings): void;
  /** Models only: estimates the memory of a run with these options, so that a run that cannot fit is refused early. */
  memoryNeeded?(config: unknown, shape: PlannedShape): MemoryNeed;
  /** Optimizers only: floats kept per trained weight, for memory estimates. Default: 2. */
  readonly numbersPerWeight?: number;
  /** Engines only: returns whether it works here, without side effects. */
  probe?(): EngineProbe | Promise<EngineProbe>;
  /** Engines only: whether `probe` may find a GPU. If so, it is probed before a better ranked engine is chosen. */
  mayHaveGpu?(): boolean;
  /** Engines only: installs it on this machine (`espalier engine install`). */
  install?(request: InstallRequest): Promise<void>;
  /**
   * Engines only: compares what it computes here with engine cpu, and records that they agree
   * (`espalier doctor --parity`).
   * @returns what was compared
   * @throws EspalierError naming the first difference
   */
  checkParity?(): Promise<string>;
}

export interface InstallRequest {
  /** Install the GPU build. */
  gpu: boolean;
  /** The kind of device to install for, of an engine that has several; undefined to choose by the machine. */
  device?: string | undefined;
  /** Install over an existing installation. */
  force: boolean;
  log: (line: string) => void;
}

interface ListenerMark {
  event: EventName;
  method: string | symbol;
  needs: string | undefined;
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

/**
 * Marks a method as a listener of an event; the compiler checks the type of its parameter.
 * @param needs for `step:ready`: name of a getter of the plugin that is false while the method does without the event in
 *   steps with a finite loss and norm, whose values are in `iteration:end`. The engine may then compute a step at once.
 */
export function On<Name extends EventName, Getter extends string = never>(event: Name, needs?: Getter) {
  return <Method extends (payload: Events[Name]) => void | Promise<void>>(
    target: object & Readonly<Record<NoInfer<Getter>, boolean>>,
    method: string | symbol,
    _descriptor: TypedPropertyDescriptor<Method>,
  ): void => {
    const marks = listenersOf.get(target) ?? [];
    marks.push({ event, method, needs });
    listenersOf.set(target, marks);
  };
}

/** Returns the options given to `@Plugin`; undefined if the value is not a plugin class. */
export function pluginOptions(value: unknown): PluginOptions | undefined {
  return typeof value === 'function' ? optionsOf.get(value) : undefined;
}

/** Returns the listeners of a class and of the classes it extends, base first. */
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

/** Returns true if a plugin's `register` adds to one of these contracts. */
export function addsTo(of: PluginClass, contracts: readonly symbol[]): boolean {
  let adds = false;
  const ignore = (): void => undefined;
  const add = (contract: symbol): void => {
    adds ||= contracts.includes(contract);
  };
  if (contracts.length > 0) of.register?.({ bind: ignore, wrap: ignore, add });
  return adds;
}

/** tsyringe's own, so that a plugin needs only one import. */
export { inject, injectable } from 'tsyringe';
export type { InjectionToken };
