import { UsageError } from '../errors.js';
import type { PluginInstance } from './plugin.js';
import type { FoundPlugin } from '../families/resolve.js';

/** What is kept, and what gives it back. */
const pairs = [
  ['state', 'restore'],
  ['stateTensors', 'restoreTensors'],
] as const;

/** @throws UsageError where a name that the run calls is no method, or one of two that belong together is missing */
export function checkMethods(made: PluginInstance, { options, source }: FoundPlugin): void {
  const plugin = `plugin ${options.name} (${source})`;
  const field = [...pairs.flat(), 'dispose'].find((name) => isField(made, name));
  if (field !== undefined) {
    throw new UsageError(
      'ESP_PLUGIN_FIELD',
      `${plugin} has a field ${field}: rename it, ${field}() is what the run calls (docs/writing-plugins.md)`,
    );
  }
  for (const [take, give] of pairs) {
    if ((made[take] === undefined) === (made[give] === undefined)) continue;
    const [has, lacks] = made[take] === undefined ? [give, take] : [take, give];
    throw new UsageError(
      'ESP_PLUGIN_STATE',
      `${plugin} has ${has}() and no ${lacks}(): what ${take}() returns goes into every checkpoint, and ${give}() gets it back when a run goes on; write ${lacks}(), or rename ${has}() where it is something else (docs/writing-plugins.md)`,
    );
  }
}

function isField(made: object, name: string): boolean {
  const value: unknown = Reflect.get(made, name);
  return value !== undefined && typeof value !== 'function';
}
