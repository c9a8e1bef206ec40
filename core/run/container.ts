import { container as root, instanceCachingFactory, type DependencyContainer, type InjectionToken } from 'tsyringe';
import type { Ranks } from '../contracts/ranks.js';
import { tokenName, type Token } from '../contracts/token.js';
import { isUsageError, PluginError, UsageError, usageErrorIn } from '../errors.js';
import type { EventBus } from '../events/bus.js';
import type { FoundPlugin } from '../plugins/resolve.js';
import { checkMethods } from '../plugins/methods.js';
import { PluginConfig, pluginListeners, Wrapped, type PluginInstance, type Slot } from '../plugins/plugin.js';
import { checkImplements, slotContracts, unbound } from '../plugins/slot-contracts.js';

/** A plugin with its checked options. */
export interface ConfiguredPlugin extends FoundPlugin {
  readonly config: unknown;
  /** Where its options stand in the composed config. */
  readonly path: readonly string[];
}

/** A plugin of this run, made. */
export interface LivePlugin {
  readonly name: string;
  readonly instance: PluginInstance;
  /** What it fills; undefined for a feature. */
  readonly slot: Slot | undefined;
  /** Its state decides what the data or the model is: it is the model, or wraps what fills a slot. */
  readonly shapes: boolean;
  readonly stateVersion: number;
  /** On which ranks its listeners run, and its state counts. */
  readonly ranks: 'all' | 'first';
}

/** Two runs in one process share nothing: each has a container of its own. */
export function newContainer(): DependencyContainer {
  return root.createChildContainer();
}

/** What a plugin has bound to a contract; undefined where none has. */
export function boundTo<T>(container: DependencyContainer, contract: Token<T>): T | undefined {
  return container.isRegistered(contract, true) ? container.resolve(contract) : undefined;
}

/**
 * Lets every plugin bind its contracts, then makes the plugins in order.
 * @throws UsageError when two plugins bind one contract, naming both
 * @throws PluginError when a constructor throws
 */
export function makePlugins(container: DependencyContainer, plugins: readonly ConfiguredPlugin[]): LivePlugin[] {
  const bound = new Map<symbol, Binding>();
  // tsyringe makes the error of a constructor that another constructor asked for into text: this keeps it.
  const first: { mistake?: UsageError | undefined } = {};
  const wraps: { contract: symbol; plugin: string; wrap: (inner: () => unknown) => () => unknown }[] = [];
  const scopes = plugins.map((plugin) => {
    const scope = container.createChildContainer();
    scope.register(PluginConfig, { useValue: plugin.config });
    scope.registerSingleton(asToken(plugin));
    return { plugin, scope };
  });
  for (const { plugin, scope } of scopes) {
    const { name } = plugin.options;
    const maker = <T>(contract: Token<T>, implementation: new (...args: never[]) => T): (() => T) => {
      const target: InjectionToken<T> = implementation as new (...args: unknown[]) => T;
      if (target !== asToken(plugin)) scope.registerSingleton(target);
      return () => {
        try {
          const made = scope.resolve(target);
          checkImplements(made, contract, plugin);
          return made;
        } catch (thrown) {
          first.mistake ??= usageErrorIn(thrown);
          throw thrown;
        }
      };
    };
    plugin.class.register?.({
      bind(contract, implementation) {
        claim(bound, contract, { plugin: name, make: maker(contract, implementation) });
      },
      wrap(contract, implementation) {
        const make = maker(contract, implementation);
        const wrap = (inner: () => unknown): (() => unknown) => {
          scope.register(Wrapped, { useFactory: inner });
          return make;
        };
        wraps.push({ contract, plugin: name, wrap });
      },
    });
  }
  const inSlots = plugins.flatMap((plugin) => {
    const { slot } = plugin.options;
    return slot === undefined ? [] : [{ plugin, slot, contract: slotContracts[slot].contract }];
  });
  for (const { plugin, slot, contract } of inSlots) if (!bound.has(contract)) throw unbound(plugin, slot);
  for (const { contract, plugin, wrap } of wraps) {
    const inner = bound.get(contract);
    if (inner === undefined) throw nothingToWrap(plugin, contract);
    bound.set(contract, { plugin: inner.plugin, make: wrap(inner.make) });
  }
  for (const [contract, { make }] of bound) container.register(contract, { useFactory: instanceCachingFactory(make) });
  const live = scopes.map(({ plugin, scope }) => ({
    name: plugin.options.name,
    instance: attempt(plugin, first, () => make(plugin, scope)),
    slot: plugin.options.slot,
    shapes: plugin.options.wraps !== undefined || plugin.options.slot === 'model',
    stateVersion: plugin.options.stateVersion ?? 1,
    ranks: plugin.options.ranks ?? (plugin.options.critical === false ? 'first' : 'all'),
  }));
  // What no constructor asked for would show what it lacks when the run trains.
  for (const { plugin, contract } of inSlots) attempt(plugin, first, () => bound.get(contract)?.make());
  return live;
}

/** Who binds a contract, and how what it binds is made. */
interface Binding {
  readonly plugin: string;
  readonly make: () => unknown;
}

/** True where the plugin takes part on this rank. */
export function isActive(plugin: LivePlugin, { rank }: Ranks): boolean {
  return rank === 0 || plugin.ranks === 'all';
}

/** Adds every `@On` listener of the plugins that take part on this rank to the bus, in the plugins' order. */
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
    for (const { event, method } of pluginListeners(plugin.class)) {
      const registration = { plugin: plugin.options.name, event, critical: plugin.options.critical ?? true };
      bus.listen(registration, methodOf(instance, method));
    }
  });
}

function methodOf(instance: object, method: string | symbol): (payload: unknown) => void | Promise<void> {
  const listener: unknown = Reflect.get(instance, method);
  if (typeof listener !== 'function') throw new TypeError(`${String(method)} is no method`);
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

function make(plugin: ConfiguredPlugin, scope: DependencyContainer): PluginInstance {
  const made = scope.resolve(asToken(plugin));
  checkMethods(made, plugin);
  return made;
}

function attempt<T>(plugin: ConfiguredPlugin, first: { readonly mistake?: UsageError | undefined }, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (first.mistake !== undefined) throw first.mistake;
    if (isUsageError(thrown)) throw thrown;
    throw new PluginError(plugin.options.name, 'its constructor', thrown);
  }
}
