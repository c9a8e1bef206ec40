import path from 'node:path';
import { z } from 'zod';
import { messageOf, UsageError } from '../../../core/index.js';
import {
  checkCore,
  findPlugin,
  isSection,
  jsonSchemaOf,
  pathKey,
  presetFolder,
  propertiesOf,
  showOrigin,
  valueAt,
  type ComposedConfig,
  type ConfigPath,
  type FoundPlugin,
  type Origin,
  type Pretrained,
  type PretrainedModels,
} from '../../../core/runs.js';
import { over, withoutSettings } from '../../configs/contract.js';
import { findAdapter, type FoundAdapter } from '../adapters/find.js';
import { overBase } from '../adapters/over.js';
import { noAdapters, readAdapter } from '../adapters/read.js';
import { adapterOptions } from '../adapters/terms.js';
import { findFolder, type FoundFolder } from './find.js';
import type { Described, ReadableModel, WeightFormat } from './formats.js';
import { formatsOf, knownFormats } from './known.js';
import { neededOptions, type GivenOption, type NeededOptions } from './options.js';
import { readWeights } from './read.js';

const MODEL = ['model'];
const USE = 'use';

type Request = Parameters<PretrainedModels['find']>[1];

/**
 * Finds the weights that a config's `init` names, their format and the model plugin they are for. The options they
 * require replace those of presets and defaults.
 * See `PretrainedModels.find`.
 */
export async function findPretrained(composed: ComposedConfig, request: Request): Promise<Pretrained> {
  const { init } = composed.value;
  if (typeof init !== 'string' || init === 'scratch' || init === 'resume') return { composed };
  const adapter = await findAdapter(init, request);
  const found = adapter?.base ?? (await findFolder(init, request));
  if (found === undefined) return { composed };
  const { format, isOwn } = await chosenFormat(found, composed, request);
  const model = readable(found, format);
  const read: Pretrained['read'] = async ({ blockSize }) =>
    readWeights(await found.folder(), { names: format.names, model, blockSize });
  // A `model` that is not a section is reported when the config is checked.
  if (!isSection(composed.value['model'] ?? {})) return { composed, read };
  const other = isOwn ? undefined : await otherPlugin(composed, { format, origin: found.origin }, request);
  const kept = other === undefined ? composed : withoutSettings(other.foreign, composed);
  const use = other === undefined ? {} : { [USE]: other.use };
  const base = { composed: withNeeded(kept, model, found.origin, use), read };
  return adapter === undefined ? base : withAdapter(base, adapter, format);
}

/** Returns a base model with a LoRA adapter, whose ranks the model gets. */
async function withAdapter(
  { composed, read }: Required<Pretrained>,
  { folder, origin }: FoundAdapter,
  { name, lora }: WeightFormat,
): Promise<Pretrained> {
  if (lora === undefined) throw noAdapters(origin.source, name);
  const adapter = await readAdapter(folder, lora);
  return {
    composed: withNeeded(composed, { options: adapterOptions(adapter, lora) }, origin),
    read: async (model) => overBase(await read(model), adapter, { layout: lora, model }),
  };
}

/** Returns the config with the model options that the weights require. @param settings further settings of `model` */
function withNeeded(
  composed: ComposedConfig,
  model: NeededOptions,
  origin: FoundFolder['origin'],
  settings: Described = {},
): ComposedConfig {
  const needed = neededOptions(model, origin.source, (option) => given(composed, [...MODEL, option]));
  return over(composed, { model: { ...settings, ...needed } }, origin);
}

/** @throws UsageError for a folder in an unknown format */
async function chosenFormat(
  { config, origin }: FoundFolder,
  composed: ComposedConfig,
  request: Request,
): Promise<{ format: WeightFormat; isOwn: boolean }> {
  const [model, ...features] = await pluginsOf(composed, request);
  const own = (model === undefined ? [] : formatsOf(model)).find((format) => format.recognizes(config));
  if (own !== undefined) return { format: own, isOwn: true };
  const listed = features.flatMap((each) => (each === undefined ? [] : formatsOf(each)));
  const others = [...listed, ...(await knownFormats(request.cwd))];
  const format = others.find((each) => each.recognizes(config));
  if (format !== undefined) return { format, isOwn: false };
  const type = config['model_type'];
  const is = type === undefined ? 'it has no model_type' : `its model_type is ${JSON.stringify(type)}`;
  throw new UsageError(
    'ESP_PRETRAINED',
    `${origin.file ?? origin.source}: ${is}, but the known formats are ${others.map(({ name }) => name).join(', ')}; name other weights, or a plugin or package that reads these`,
  );
}

/**
 * Returns the model's plugin, then the features; undefined for those not found, which are reported when the run is
 * made.
 */
async function pluginsOf(composed: ComposedConfig, { cwd, classes }: Request): Promise<(FoundPlugin | undefined)[]> {
  const { slots, features } = checkCore(composed);
  const found = await Promise.allSettled([
    classes?.get(slots.model.use) ?? findPlugin(slots.model.use, cwd, 'model'),
    ...features.map(({ use }) => classes?.get(use) ?? findPlugin(use, cwd)),
  ]);
  return found.map((each) => (each.status === 'fulfilled' ? each.value : undefined));
}

function readable({ config, origin }: FoundFolder, format: WeightFormat): ReadableModel {
  try {
    return format.read(config);
  } catch (thrown) {
    const message = `${origin.file ?? origin.source} is not a ${format.name} that can be loaded: ${thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown)}`;
    throw new UsageError('ESP_PRETRAINED', message, { cause: thrown });
  }
}

/**
 * Returns the plugin that the weights are for, and the presets' options of `model` that it does not have (others, such
 * as LoRA's, stay); undefined if the config names that plugin.
 * @throws UsageError if the user names another plugin
 */
async function otherPlugin(
  composed: ComposedConfig,
  { format: { use, name }, origin }: { format: WeightFormat; origin: Origin },
  { cwd, classes }: Request,
): Promise<{ use: string; foreign: ConfigPath[] } | undefined> {
  if (checkCore(composed).slots.model.use === use) return undefined;
  const { value, place } = given(composed, [...MODEL, USE]);
  if (place !== undefined) {
    throw new UsageError(
      'ESP_PRETRAINED',
      `${place}: model.use is ${JSON.stringify(value)}, but the weights that init names are for a ${name} and need ${JSON.stringify(use)} (${origin.source}); remove the setting, or start from other weights`,
    );
  }
  const { options } = classes?.get(use) ?? (await findPlugin(use, cwd, 'model'));
  const known = options.config === undefined ? {} : propertiesOf(jsonSchemaOf(options.config));
  const section = composed.value['model'];
  const foreign = Object.keys(isSection(section) ? section : {})
    .filter((key) => key !== USE && !Object.hasOwn(known, key))
    .map((key) => [...MODEL, key])
    .filter((at) => given(composed, at).place === undefined);
  return { use, foreign };
}

function given({ value, origins }: ComposedConfig, at: ConfigPath): GivenOption {
  const found = valueAt(value, at);
  const origin = origins.get(pathKey(at)) ?? { source: 'default' };
  return {
    value: found.depth === at.length ? found.value : undefined,
    place: isPreset(origin) ? undefined : showOrigin(origin),
  };
}

/** Presets of any package are starting points, which the weights' requirements override. */
function isPreset({ source, file }: Origin): boolean {
  if (source === 'default') return true;
  return file !== undefined && (path.dirname(file) === presetFolder || file.split(path.sep).includes('node_modules'));
}
