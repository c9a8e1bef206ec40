import { container as root, instanceCachingFactory, type DependencyContainer, type InjectionToken } from 'tsyringe';
import { tokenName, type Token } from '../contracts/token.js';
import { isUsageError, PluginError, UsageError } from '../errors.js';
import type { EventBus } from '../events/bus.js';
import type { FoundPlugin } from '../plugins/resolve.js';
import { PluginConfig, pluginListeners, type PluginInstance } from '../plugins/plugin.js';

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
}

/** Two runs in one process share nothing: each has a container of its own. */
export function newContainer(): DependencyContainer {
  return root.createChildContainer();
}

/**
 * Lets every plugin bind its contracts, then makes the plugins in order.
 * @throws UsageError when two plugins bind one contract, naming both
 * @throws PluginError when a constructor throws
 */
export function makePlugins(container: DependencyContainer, plugins: readonly ConfiguredPlugin[]): LivePlugin[] {
  const boundBy = new Map<symbol, string>();
  const scopes = plugins.map((plugin) => {
    const scope = container.createChildContainer();
    scope.register(PluginConfig, { useValue: plugin.config });
    scope.registerSingleton(asToken(plugin));
    return { plugin, scope };
  });
  for (const { plugin, scope } of scopes) {
    plugin.class.register?.({
      bind<T>(contract: Token<T>, implementation: new (...args: never[]) => T): void {
        claim(boundBy, contract, plugin.options.name);
        const target: InjectionToken<T> = implementation as new (...args: unknown[]) => T;
        if (target !== asToken(plugin)) scope.registerSingleton(target);
        container.register(contract, { useFactory: instanceCachingFactory<T>(() => scope.resolve(target)) });
      },
    });
  }
  return scopes.map(({ plugin, scope }) => ({ name: plugin.options.name, instance: make(plugin, scope) }));
}

/** Adds every `@On` listener of the plugins to the bus, in the plugins' order. */
export function addListeners(bus: EventBus, plugins: readonly ConfiguredPlugin[], live: readonly LivePlugin[]): void {
  plugins.forEach((plugin, index) => {
    const instance = live[index]?.instance;
    if (instance === undefined) return;
    for (const { event, method } of pluginListeners(plugin.class)) {
      const registration = { plugin: plugin.options.name, event, critical: plugin.options.critical ?? true };
      bus.listen(registration, (payload: unknown) => callMethod(instance, method, payload));
    }
  });
}

function callMethod(instance: object, method: string | symbol, payload: unknown): void | Promise<void> {
  const listener: unknown = Reflect.get(instance, method);
  if (typeof listener !== 'function') throw new TypeError(`${String(method)} is no method`);
  return Reflect.apply(listener, instance, [payload]) as void | Promise<void>;
}

function asToken(plugin: FoundPlugin): new (...args: unknown[]) => object {
  return plugin.class as new (...args: unknown[]) => object;
}

function claim(boundBy: Map<symbol, string>, contract: symbol, plugin: string): void {
  const other = boundBy.get(contract);
  if (other !== undefined) {
    throw new UsageError(
      'ESP_CONTRACT_TWICE',
      `plugins ${other} and ${plugin} both bind ${tokenName(contract)}; turn one of them off`,
    );
  }
  boundBy.set(contract, plugin);
}

function make(plugin: ConfiguredPlugin, scope: DependencyContainer): PluginInstance {
  try {
    return scope.resolve(asToken(plugin));
  } catch (thrown) {
    if (isUsageError(thrown)) throw thrown;
    throw new PluginError(plugin.options.name, 'its constructor', thrown);
  }
}
