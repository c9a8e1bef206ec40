import type { LoadedCheckpoint, PluginState, StoredTensor } from '../contracts/checkpoint-store.js';
import { EspalierError, PluginError } from '../errors.js';
import type { PluginInstance } from '../plugins/plugin.js';
import type { LivePlugin } from './container.js';

/** The saved state of plugins, by plugin name. */
export interface KeptStates {
  readonly states: Record<string, PluginState>;
  readonly tensors: ReadonlyMap<string, ReadonlyMap<string, StoredTensor>>;
}

/**
 * Collects the state of plugins.
 * @throws EspalierError naming the plugin and the place in its state, if it cannot be stored unchanged
 */
export function takeStates(plugins: readonly LivePlugin[]): KeptStates {
  const states: Record<string, PluginState> = {};
  const tensors = new Map<string, ReadonlyMap<string, StoredTensor>>();
  for (const { name, instance, stateVersion } of plugins) {
    const state = guard(name, 'state()', () => instance.state?.());
    const large = guard(name, 'stateTensors()', () => instance.stateTensors?.()) ?? new Map<string, StoredTensor>();
    if (state === undefined && large.size === 0) continue;
    refuseLossy(name, state, large);
    states[name] = { version: stateVersion, state };
    if (large.size > 0) tensors.set(name, large);
  }
  return { states, tensors };
}

/** Returns whether a plugin would save any state now. */
export function hasState(instance: PluginInstance): boolean {
  return instance.state?.() !== undefined || (instance.stateTensors?.().size ?? 0) > 0;
}

/** Restores the state of plugins. @throws PluginError naming the first that rejects it */
export function restorePlugins(from: LoadedCheckpoint, plugins: readonly LivePlugin[]): void {
  for (const { name, instance } of plugins) {
    if (from.state.plugins[name] !== undefined) restorePlugin(from, name, instance);
  }
}

/** Restores one plugin's state, which the checkpoint may lack. */
export function restorePlugin(from: LoadedCheckpoint, name: string, instance: PluginInstance): void {
  const kept = from.state.plugins[name];
  guard(name, 'restore()', () => instance.restore?.(kept?.state, kept?.version ?? 1));
  guard(name, 'restoreTensors()', () => instance.restoreTensors?.(from.plugins.get(name) ?? new Map()));
}

function refuseLossy(plugin: string, state: unknown, tensors: ReadonlyMap<string, StoredTensor>): void {
  const refuse = (what: string, todo: string): never => {
    throw new EspalierError('ESP_PLUGIN_STATE', `plugin ${plugin} cannot be saved in a checkpoint: ${what}; ${todo}`);
  };
  const wrong = notPlain(state, 'state');
  if (wrong !== undefined) {
    refuse(
      `${wrong}, which JSON cannot store`,
      'let state() return plain objects, arrays, strings, booleans, null and finite numbers, and stateTensors() arrays of numbers (docs/plugins/writing-plugins.md)',
    );
  }
  for (const [name, { shape, values }] of tensors) {
    const at = `stateTensors() has ${JSON.stringify(name)}`;
    const size = shape.reduce((product, length) => product * length, 1);
    if (!(values instanceof Float32Array || values instanceof Int32Array)) {
      refuse(`${at} of an unsupported type`, 'give its values as Float32Array or Int32Array');
    }
    if (size !== values.length) {
      refuse(`${at} of shape [${String(shape)}] and ${String(values.length)} values`, 'give the shape of its values');
    }
  }
}

function guard<T>(plugin: string, where: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw new PluginError(plugin, where, thrown);
  }
}

/**
 * Describes the first thing in a value that JSON would lose or change, with its path: `state.m is of class Map`.
 * Returns undefined if there is nothing. Undefined properties are allowed: left out, they read as undefined.
 */
export function notPlain(value: unknown, path: string, above: ReadonlySet<object> = new Set()): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${path} is ${String(value)}`;
  if (value === undefined || value === null || typeof value === 'string' || typeof value === 'boolean')
    return undefined;
  if (typeof value !== 'object') return `${path} is of type ${typeof value}`;
  if (above.has(value)) return `${path} holds itself`;
  const within = new Set(above).add(value);
  const isList = Array.isArray(value);
  if (!isList && !isPlainObject(value)) return `${path} is of class ${value.constructor.name}`;
  for (const [key, part] of isList ? value.entries() : Object.entries(value)) {
    const isName = typeof key === 'string' && /^[\w$]+$/.test(key);
    const at = isName ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
    // JSON turns undefined into null in a list, and leaves it out of an object.
    const wrong = isList && part === undefined ? `${at} is undefined` : notPlain(part, at, within);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
