import type { z } from 'zod';
import { UsageError } from '../../../core/errors.js';
import { slots, type Slot } from '../../../core/index.js';
import {
  checkCore,
  findQuietly,
  frozen,
  isSection,
  jsonSchemaOf,
  pathKey,
  propertiesOf,
  valueAt,
  type ComposedConfig,
  type ComposeOptions,
  type ConfigPath,
  type Settings,
} from '../../../core/runs.js';

/**
 * Returns the keys of a plugin's options that an option of a later layer replaces, which its schema declares with
 * `meta({ replaces: ['dir'] })`. If the same layer sets both, both stay, and the plugin reports the conflict.
 * @param path path of the plugin's options
 */
export function replacedOptions(schema: z.ZodType, path: ConfigPath, composed: ComposedConfig): string[] {
  const layers = layersAt(path, composed);
  if (new Set(layers.values()).size < 2) return [];
  return Object.entries(propertiesOf(jsonSchemaOf(schema))).flatMap(([key, property]) => {
    const layer = layers.get(key);
    const replaces: unknown = isSection(property) ? property['replaces'] : undefined;
    if (layer === undefined || !Array.isArray(replaces)) return [];
    return replaces.map(String).filter((other) => (layers.get(other) ?? layer) < layer);
  });
}

type PluginPlaces = Pick<ComposeOptions, 'cwd' | 'classes'>;

/** Removes the options that later layers replace. @param places where plugins come from */
export async function withoutReplaced(composed: ComposedConfig, places: PluginPlaces): Promise<ComposedConfig> {
  const { slots: filling, features } = checkCore(composed);
  const named = [
    ...slots.map((slot) => ({ ...filling[slot], slot })),
    ...features.map((each) => ({ ...each, slot: undefined })),
  ];
  const replaced: ConfigPath[] = [];
  for (const { use, slot, path } of named) {
    if (new Set(layersAt(path, composed).values()).size < 2) continue;
    const schema = await schemaOf(use, places, slot);
    if (schema !== undefined) replaced.push(...replacedOptions(schema, path, composed).map((key) => [...path, key]));
  }
  return replaced.length === 0 ? composed : withoutSettings(replaced, composed);
}

/** Returns undefined for a plugin that does not load; the error is reported when the plugin is needed. */
async function schemaOf(
  use: string,
  { cwd, classes }: PluginPlaces,
  slot: Slot | undefined,
): Promise<z.ZodType | undefined> {
  try {
    return (classes?.get(use) ?? (await findQuietly(use, cwd, slot)))?.options.config;
  } catch (thrown) {
    if (thrown instanceof UsageError) return undefined;
    throw thrown;
  }
}

/** Returns the layer that set each option at a path, by key. */
function layersAt(path: ConfigPath, { value, origins }: ComposedConfig): Map<string, number> {
  const found = valueAt(value, path);
  const keys = found.depth === path.length && isSection(found.value) ? Object.keys(found.value) : [];
  return new Map(keys.map((key) => [key, origins.get(pathKey([...path, key]))?.layer ?? 0]));
}

/** Removes the settings at these paths. */
export function withoutSettings(paths: readonly ConfigPath[], composed: ComposedConfig): ComposedConfig {
  const gone = paths.map(pathKey);
  const stays = (at: string): boolean => !gone.some((key) => at === key || at.startsWith(`${key}.`));
  const left = (section: Settings, path: ConfigPath): Settings =>
    Object.fromEntries(
      Object.entries(section).flatMap(([key, value]) => {
        const at = [...path, key];
        return stays(pathKey(at)) ? [[key, isSection(value) ? left(value, at) : value]] : [];
      }),
    );
  const facts = <T>(all: ReadonlyMap<string, T>): Map<string, T> => new Map([...all].filter(([at]) => stays(at)));
  const { value, origins, texts } = composed;
  return { ...composed, value: frozen(left(value, [])), origins: facts(origins), texts: facts(texts) };
}
