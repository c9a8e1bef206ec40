import { stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { isSection, showOrigin, type ComposedConfig, type Origin } from '../config/composed.js';
import { pathKey } from '../config/path.js';
import { presetFolder } from '../config/preset-list.js';
import { composedOf } from '../config/load.js';
import { merge, treeOf } from '../config/tree.js';
import { messageOf, UsageError } from '../errors.js';
import { readJsonFile } from '../files/text-file.js';
import { hubFolder, hubShape } from './hub.js';
import { isHubModel, localPretrained } from './pretrained.js';

const MAX_CONFIG_BYTES = 1 << 20;

const configSchema = z.looseObject({
  model_type: z.literal('gpt2'),
  vocab_size: z.int().min(1),
  n_positions: z.int().min(1),
  n_embd: z.int().min(1),
  n_layer: z.int().min(1),
  n_head: z.int().min(1),
  n_inner: z.int().min(1).nullish(),
  activation_function: z.enum(['gelu', 'gelu_new', 'gelu_pytorch_tanh']).default('gelu_new'),
  layer_norm_epsilon: z.literal(1e-5).default(1e-5),
  scale_attn_weights: z.literal(true).default(true),
  scale_attn_by_inverse_layer_idx: z.literal(false).default(false),
  add_cross_attention: z.literal(false).default(false),
  tie_word_embeddings: z
    .literal(
      true,
      'false: this model has one matrix for embedding and output head; tie them, and train that model again',
    )
    .default(true),
  bias: z.boolean().default(true),
});
type PretrainedConfig = z.output<typeof configSchema>;

/** A model's `config.json`, and how it is printed. */
interface Described {
  readonly config: PretrainedConfig;
  readonly origin: Origin;
}

/**
 * The config with what the pretrained model that `init` names says of itself: its shape replaces what presets and
 * defaults say. `block_size` may be smaller (positions are cropped); `dropout` and LoRA are the user's. Unchanged where
 * `init` names no pretrained model. Nothing is downloaded.
 * @throws UsageError for another value in `--set` or in a file of the user's, naming both places
 */
export async function withPretrained(composed: ComposedConfig, cwd: string): Promise<ComposedConfig> {
  const { init, model = {} } = composed.value;
  const described = typeof init === 'string' ? await describedBy(init, cwd) : undefined;
  if (described === undefined || !isSection(model)) return composed;
  const { origin } = described;
  const settings = Object.entries(settingsOf(described.config)).filter(([key, value]) => {
    const at = composed.origins.get(pathKey(['model', key]));
    if (at === undefined || isPreset(at)) return key !== 'block_size' || !isWithin(model[key], value);
    if (key === 'block_size' ? isWithin(model[key], value) : isSame(key, model[key], value, described.config))
      return false;
    if (key === 'vocab_size' && model[key] === null) return true;
    throw contradiction(key, { given: model[key], at, wanted: value, origin });
  });
  const layer = treeOf({ model: Object.fromEntries(settings) }, { originOf: () => origin });
  const own = treeOf(composed.value, {
    originOf: (at) => composed.origins.get(pathKey(at)) ?? { source: 'default' },
    texts: composed.texts,
    filled: 'all',
  });
  return composedOf(merge(own, layer), {
    layers: [...composed.layers, origin.source],
    files: origin.file === undefined ? composed.files : [...composed.files, origin.file],
    given: composed.given,
  });
}

/** What `model` has to be for the weights. */
function settingsOf({
  n_positions,
  n_inner,
  activation_function,
  ...config
}: PretrainedConfig): Record<string, unknown> {
  return {
    n_layer: config.n_layer,
    n_head: config.n_head,
    n_embd: config.n_embd,
    n_hidden: n_inner ?? null,
    vocab_size: config.vocab_size,
    bias: config.bias,
    activation: activation_function === 'gelu' ? 'gelu' : 'gelu_tanh',
    rotary: false,
    block_size: n_positions,
  };
}

function isSame(key: string, given: unknown, wanted: unknown, { n_embd }: PretrainedConfig): boolean {
  return key === 'n_hidden' ? (given ?? 4 * n_embd) === (wanted ?? 4 * n_embd) : given === wanted;
}

function isWithin(block: unknown, positions: unknown): boolean {
  return typeof block === 'number' && typeof positions === 'number' && block <= positions;
}

/** Presets, of this package and of others, are where to start from: what the weights say replaces it. */
function isPreset({ source, file }: Origin): boolean {
  if (source === 'default') return true;
  return file !== undefined && (path.dirname(file) === presetFolder() || file.split(path.sep).includes('node_modules'));
}

function contradiction(
  key: string,
  { given, at, wanted, origin }: { given: unknown; at: Origin; wanted: unknown; origin: Origin },
): UsageError {
  const is = `${showOrigin(at)}: model.${key} is ${JSON.stringify(given)}`;
  const from = origin.source;
  const text =
    key === 'block_size'
      ? `${is}, and ${from} has ${String(wanted)} positions; set it to at most that, or take it out`
      : `${is}, but the weights that init names need ${JSON.stringify(wanted)} (${from}); take it out, or start from other weights; only block_size (smaller), dropout and LoRA are yours`;
  return new UsageError('ESP_PRETRAINED', text);
}

async function describedBy(init: string, cwd: string): Promise<Described | undefined> {
  const local = localPretrained(init, cwd);
  if (local !== undefined) {
    const file = path.join(local, 'config.json');
    return { config: await readConfig(file), origin: { source: path.join(init, 'config.json'), file } };
  }
  if (!isHubModel(init, cwd)) return undefined;
  const origin = { source: `${init}/config.json of the Hugging Face Hub` };
  const folder = hubFolder(init);
  if (folder === undefined) return { config: configSchema.parse(hubShape(init)), origin };
  const file = path.join(folder, 'config.json');
  return { config: await readConfig(file), origin: { ...origin, file } };
}

async function readConfig(file: string): Promise<PretrainedConfig> {
  try {
    if ((await stat(file)).size > MAX_CONFIG_BYTES) throw new Error('it is over a megabyte');
    const content: unknown = readJsonFile(file);
    const type = z.looseObject({ model_type: z.string() }).safeParse(content).data?.model_type;
    if (type !== undefined && type !== 'gpt2') throw new Error(`its model_type is ${JSON.stringify(type)}, not "gpt2"`);
    const parsed = configSchema.safeParse(content);
    if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
    return parsed.data;
  } catch (thrown) {
    throw new UsageError('ESP_PRETRAINED', `${file} is no GPT-2 that can be loaded: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}
