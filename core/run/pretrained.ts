import path from 'node:path';
import { isSection, showOrigin, valueAt, type ComposedConfig, type Origin } from '../config/composed.js';
import { pathKey } from '../config/path.js';
import { configs } from '../config/compose.js';
import { checkCore } from '../config/slots.js';
import type { PretrainedModel } from '../contracts/weights.js';
import type { Slot } from '../plugins/plugin.js';
import { findPlugin, type FoundPlugin } from '../plugins/resolve.js';
import { presetFolder } from '../version.js';

/** A config, and the pretrained model that its `init` names. */
export interface Pretrained {
  /** With the options that the model must have for the weights. */
  readonly composed: ComposedConfig;
  readonly model?: PretrainedModel;
}

/**
 * Asks the plugins of a config for the pretrained model that `init` names, which is of the first that knows it. What that
 * says of itself replaces what presets and defaults say of `model`.
 * @param request.download as `WeightFormat.find` has it
 * @throws UsageError for a value of the user's that the weights contradict, naming both places
 */
export async function findPretrained(
  composed: ComposedConfig,
  request: PluginPlaces & { readonly download?: ((line: string) => void) | undefined },
): Promise<Pretrained> {
  const { init } = composed.value;
  if (typeof init !== 'string' || init === 'scratch' || init === 'resume') return { composed };
  for (const { class: plugin } of await pluginsOf(composed, request)) {
    for (const format of plugin.weightFormats ?? []) {
      const model = await format.find(init, request);
      if (model !== undefined) return { composed: await withOptions(composed, model), model };
    }
  }
  return { composed };
}

/** Where plugins come from: classes by name, then what is found from a folder. */
interface PluginPlaces {
  readonly cwd: string;
  readonly classes?: ReadonlyMap<string, FoundPlugin>;
}

/** The model's plugin, then the features; those that are not found are reported when the run is made. */
async function pluginsOf(composed: ComposedConfig, { cwd, classes }: PluginPlaces): Promise<FoundPlugin[]> {
  const find = async (name: string, slot?: Slot): Promise<FoundPlugin> =>
    classes?.get(name) ?? (await findPlugin(name, cwd, slot));
  const { slots, features } = checkCore(composed);
  const found = await Promise.allSettled([find(slots.model.use, 'model'), ...features.map(({ use }) => find(use))]);
  return found.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}

async function withOptions(composed: ComposedConfig, model: PretrainedModel): Promise<ComposedConfig> {
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
  return (await configs()).over(composed, { model: replaced }, model.origin);
}

/** Presets, of this package and of others, are where to start from: what the weights say replaces it. */
function isPreset({ source, file }: Origin): boolean {
  if (source === 'default') return true;
  return file !== undefined && (path.dirname(file) === presetFolder || file.split(path.sep).includes('node_modules'));
}
