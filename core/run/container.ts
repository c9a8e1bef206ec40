import 'reflect-metadata';
import { container as root, instanceCachingFactory, type DependencyContainer, type InjectionToken } from 'tsyringe';
import type { Ranks } from '../contracts/ranks.js';
import { tokenName, type Token } from '../contracts/token.js';
import { isUsageError, PluginError, UsageError, usageErrorIn } from '../errors.js';
import type { EventBus } from '../events/bus.js';
import type { FoundPlugin } from '../families/load.js';
import { PluginConfig, pluginListeners, Wrapped, type PluginInstance, type Slot } from '../plugins/plugin.js';
import { checkImplements, checkMethods, slotContracts, unbound } from '../plugins/implements.js';

/** A plugin with its checked options. */
export interface ConfiguredPlugin extends FoundPlugin {
  readonly config: unknown;
  /** Path of its options in the composed config. */
  readonly path: readonly string[];
}

/** A plugin instance of this run. */
export interface LivePlugin {
  readonly name: string;
  readonly instance: PluginInstance;
  /** The slot it fills; undefined for a feature. */
  readonly slot: Slot | undefined;
  /** True if its state determines the shape of the data or model: it is the model, or wraps what fills a slot. */
  readonly decidesShape: boolean;
  readonly stateVersion: number;
  /** The ranks on which its listeners run and its state is saved. */
  readonly ranks: 'all' | 'first';
}

const makers = new WeakMap<object, string>();

/** Returns the plugin that bound an object to a contract or added it to one; for errors and metrics. */
export function pluginOf(made: object): string {
  return makers.get(made) ?? 'unknown';
}

/** Creates a separate container for each run: two runs in one process share nothing. */
export function newContainer(): DependencyContainer {
  return root.createChildContainer();
}

/** Returns what a plugin has bound to a contract; undefined if none has. */
export function boundTo<T>(container: DependencyContainer, contract: Token<T>): T | undefined {
  return container.isRegistered(contract, true) ? container.resolve(contract) : undefined;
}

/**
 * Lets every plugin bind its contracts, then creates the plugins in order.
 * @throws UsageError if two plugins bind one contract, naming both
 * @throws PluginError if a constructor throws
 */
export function makePlugins(container: DependencyContainer, plugins: readonly ConfiguredPlugin[]): LivePlugin[] {
  const mistakes: Mistakes = {};
  const scopes = plugins.map((plugin) => new PluginScope(plugin, container, mistakes));
  const bound = bindings(scopes);
  for (const [contract, { make }] of bound) container.register(contract, { useFactory: instanceCachingFactory(make) });
  const live = scopes.map((scope) => scope.live());
  // Create what no constructor asked for now, so that a missing dependency does not fail in the middle of training.
  for (const scope of scopes) {
    const { contract } = scope;
    if (contract !== undefined) scope.attempt(() => bound.get(contract)?.make());
  }
  return live;
}

/** Keeps the first error of a constructor: tsyringe turns the error of a nested constructor into text. */
interface Mistakes {
  first?: UsageError | undefined;
}

/** The plugin that binds a contract, and a function that creates the instance. */
interface Binding {
  readonly plugin: string;
  readonly make: () => unknown;
}

/** Collects what every plugin binds, with its wrappers applied. */
function bindings(scopes: readonly PluginScope[]): Map<symbol, Binding> {
  const bound = new Map<symbol, Binding>();
  const lists = new Map<symbol, Binding[]>();
  const wraps: { readonly contract: symbol; readonly scope: PluginScope; readonly make: () => unknown }[] = [];
  for (const scope of scopes) {
    scope.plugin.class.register?.({
      bind(contract, implementation) {
        claim(bound, contract, { plugin: scope.name, make: scope.maker(contract, implementation) });
      },
      add(contract, implementation) {
        const made = lists.get(contract) ?? [];
        made.push({ plugin: scope.name, make: scope.maker(contract, implementation) });
        lists.set(contract, made);
      },
      wrap(contract, implementation) {
        wraps.push({ contract, scope, make: scope.maker(contract, implementation) });
      },
    });
  }
  for (const [contract, made] of lists) {
    const plugin = made.map((each) => each.plugin).join(', ');
    claim(bound, contract, { plugin, make: () => made.map(({ make }) => make()) });
  }
  for (const { plugin, contract } of scopes) {
    const { slot } = plugin.options;
    if (slot !== undefined && contract !== undefined && !bound.has(contract)) throw unbound(plugin, slot);
  }
  for (const { contract, scope, make } of wraps) {
    const inner = bound.get(contract);
    if (inner === undefined) throw nothingToWrap(scope.name, contract);
    scope.wrap(inner.make);
    bound.set(contract, { plugin: inner.plugin, make });
  }
  return bound;
}

/** A plugin with a container of its own for its options and the classes that it binds. */
class PluginScope {
  readonly #container: DependencyContainer;

  constructor(
    readonly plugin: ConfiguredPlugin,
    run: DependencyContainer,
    private readonly mistakes: Mistakes,
  ) {
    this.#container = run.createChildContainer();
    this.#container.register(PluginConfig, { useValue: plugin.config });
    this.#container.registerSingleton(asToken(plugin));
  }

  get name(): string {
    return this.plugin.options.name;
  }

  /** The contract of the slot that it fills. */
  get contract(): symbol | undefined {
    const { slot } = this.plugin.options;
    return slot === undefined ? undefined : slotContracts[slot].contract;
  }

  /** Returns a function that creates the plugin's binding, once. */
  maker<T>(contract: symbol, implementation: new (...args: never[]) => T): () => T {
    const target: InjectionToken<T> = implementation as new (...args: unknown[]) => T;
    if (target !== asToken(this.plugin)) this.#container.registerSingleton(target);
    return () => {
      try {
        const made = this.#container.resolve(target);
        checkImplements(made, contract, this.plugin);
        if (typeof made === 'object' && made !== null) makers.set(made, this.name);
        return made;
      } catch (thrown) {
        this.mistakes.first ??= usageErrorIn(thrown);
        throw thrown;
      }
    };
  }

  /** Sets what the plugin receives as `Wrapped`. */
  wrap(inner: () => unknown): void {
    this.#container.register(Wrapped, { useFactory: inner });
  }

  live(): LivePlugin {
    const { plugin } = this;
    const { options } = plugin;
    const instance = this.attempt((): PluginInstance => {
      const made = this.#container.resolve(asToken(plugin));
      checkMethods(made, plugin);
      return made;
    });
    return {
      name: options.name,
      instance,
      slot: options.slot,
      decidesShape: options.wraps !== undefined || options.slot === 'model',
      stateVersion: options.stateVersion ?? 1,
      ranks: options.ranks ?? (options.critical === false ? 'first' : 'all'),
    };
  }

  /** Runs `work`. @throws the first UsageError, or else a PluginError */
  attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      if (this.mistakes.first !== undefined) throw this.mistakes.first;
      if (isUsageError(thrown)) throw thrown;
      throw new PluginError(this.name, 'its constructor', thrown);
    }
  }
}

/** Returns true if the plugin runs on this rank. */
export function isActive(plugin: LivePlugin, { rank }: Ranks): boolean {
  return rank === 0 || plugin.ranks === 'all';
}

/** Adds every `@On` listener of this rank's plugins to the bus, in plugin order. */
export function addListeners(
  bus: EventBus,
  plugins: readonly ConfiguredPlugin[],
  live: readonly LivePlugin[],
  ranks: Ranks,
): void {
  plugins.forEach((plugin, index) => {
    const made = live[index];
    if (made === undefined || !isActive(made, ranks)) return;
    const { instance } = made;
    const { name, critical = true } = plugin.options;
    for (const { event, method, needs: getter } of pluginListeners(plugin.class)) {
      const needs = getter === undefined ? undefined : (): boolean => Reflect.get(instance, getter) !== false;
      bus.listen({ plugin: name, event, critical, needs }, methodOf(instance, method));
    }
  });
}

function methodOf(instance: object, method: string | symbol): (payload: unknown) => void | Promise<void> {
  const listener: unknown = Reflect.get(instance, method);
  if (typeof listener !== 'function') throw new TypeError(`${String(method)} is not a method`);
  return (payload) => Reflect.apply(listener, instance, [payload]) as void | Promise<void>;
}

function asToken(plugin: FoundPlugin): new (...args: unknown[]) => object {
  return plugin.class as new (...args: unknown[]) => object;
}

function claim(bound: Map<symbol, Binding>, contract: symbol, binding: Binding): void {
  const other = bound.get(contract);
  if (other !== undefined) {
    throw new UsageError(
      'ESP_CONTRACT_TWICE',
      `plugins ${other.plugin} and ${binding.plugin} both bind ${tokenName(contract)}; turn one of them off`,
    );
  }
  bound.set(contract, binding);
}

function nothingToWrap(plugin: string, contract: symbol): UsageError {
  return new UsageError(
    'ESP_CONTRACT_MISSING',
    `plugin ${plugin} wraps ${tokenName(contract)}, which no plugin of this run binds; turn it off`,
  );
}
