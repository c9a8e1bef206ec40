import path from 'node:path';
import type { PluginClass, Slot } from '../../../core/index.js';
import {
  checkCore,
  findPlugin,
  isSection,
  pathKey,
  presetFolder,
  showOrigin,
  valueAt,
  type ComposedConfig,
  type FoundPlugin,
  type Origin,
  type Pretrained,
  type PretrainedModels,
} from '../../../core/runs.js';
import { over } from '../../configs/contract.js';
import type { PretrainedModel, WeightFormat } from './formats.js';

/**
 * Asks the plugins of a config for the pretrained model that `init` names, which is of the first that knows it. What that
 * says of itself replaces what presets and defaults say of `model`.
 * As `PretrainedModels.find` has it.
 */
export async function findPretrained(composed: ComposedConfig, request: Request): Promise<Pretrained> {
  const { init } = composed.value;
  if (typeof init !== 'string' || init === 'scratch' || init === 'resume') return { composed };
  for (const { class: plugin } of await pluginsOf(composed, request)) {
    const { weightFormats = [] }: PluginClass & { readonly weightFormats?: readonly WeightFormat[] } = plugin;
    for (const format of weightFormats) {
      const model = await format.find(init, request);
      if (model === undefined) continue;
      return { composed: withOptions(composed, model), read: (into) => model.read(into) };
    }
  }
  return { composed };
}

type Request = Parameters<PretrainedModels['find']>[1];

/** The model's plugin, then the features; those that are not found are reported when the run is made. */
async function pluginsOf(composed: ComposedConfig, { cwd, classes }: Request): Promise<FoundPlugin[]> {
  const find = async (name: string, slot?: Slot): Promise<FoundPlugin> =>
    classes?.get(name) ?? (await findPlugin(name, cwd, slot));
  const { slots, features } = checkCore(composed);
  const found = await Promise.allSettled([find(slots.model.use, 'model'), ...features.map(({ use }) => find(use))]);
  return found.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}

function withOptions(composed: ComposedConfig, model: PretrainedModel): ComposedConfig {
  // What is no section is reported when the config is checked.
  if (!isSection(composed.value['model'] ?? {})) return composed;
  const replaced = model.options((option) => {
    const at = ['model', option];
    const { value, depth } = valueAt(composed.value, at);
    const place = composed.origins.get(pathKey(at)) ?? { source: 'default' };
    return {
      value: depth === at.length ? value : undefined,
      place: isPreset(place) ? undefined : showOrigin(place),
    };
  });
  return over(composed, { model: replaced }, model.origin);
}

/** Presets, of this package and of others, are where to start from: what the weights say replaces it. */
function isPreset({ source, file }: Origin): boolean {
  if (source === 'default') return true;
  return file !== undefined && (path.dirname(file) === presetFolder || file.split(path.sep).includes('node_modules'));
}
