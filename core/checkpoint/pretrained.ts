import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { ComposedConfig } from '../config/composed.js';
import { pathKey } from '../config/path.js';
import type { StoredTensor } from '../contracts/checkpoint-store.js';
import { messageOf, UsageError } from '../errors.js';
import { readSafetensors } from '../formats/safetensors.js';
import { isProjection, transposed } from './gpt2-layout.js';
import { hubModel, hubModels } from './hub.js';

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
  tie_word_embeddings: z.literal(true).default(true),
  bias: z.boolean().default(true),
});

/** The folder of a Hugging Face GPT-2 that `init` names, downloaded if need be; undefined where it names none. */
export async function findPretrained(
  init: string,
  cwd: string,
  log: (line: string) => void,
): Promise<string | undefined> {
  const folder = path.resolve(cwd, init);
  const has = (name: string): boolean => existsSync(path.join(folder, name));
  if (has('config.json') && !has('manifest.json')) return folder;
  return hubModels.includes(init) && !existsSync(folder) ? hubModel(init, log) : undefined;
}

/**
 * The `key=value` settings that a pretrained model asks for. Its shape is its own: what a preset says is replaced;
 * `block_size` may be smaller (positions are cropped), and `dropout` is the user's.
 * @throws UsageError for another shape in a `--set`, or a larger block
 */
export async function pretrainedSettings(folder: string, composed: ComposedConfig): Promise<string[]> {
  const { n_positions, n_inner, activation_function, ...config } = await readConfig(folder);
  const given = z.record(z.string(), z.unknown()).safeParse(composed.value['model']).data ?? {};
  const block = z.int().min(1).safeParse(given['block_size']).data ?? n_positions;
  if (block > n_positions) {
    throw new UsageError(
      'ESP_PRETRAINED',
      `model.block_size is ${String(block)}, but ${folder} has ${String(n_positions)} positions; set it to at most that`,
    );
  }
  const wanted = {
    n_layer: config.n_layer,
    n_head: config.n_head,
    n_embd: config.n_embd,
    n_hidden: n_inner ?? null,
    vocab_size: config.vocab_size,
    bias: config.bias,
    activation: activation_function === 'gelu' ? 'gelu' : 'gelu_tanh',
  };
  for (const [key, value] of Object.entries(wanted)) {
    const isSet = composed.origins.get(pathKey(['model', key]))?.source === '--set';
    if (!isSet || given[key] === value) continue;
    throw new UsageError(
      'ESP_PRETRAINED',
      `--set model.${key}=${String(given[key])}: the weights of ${folder} have ${String(value)}; only block_size (smaller) and dropout can be set`,
    );
  }
  return Object.entries({ ...wanted, block_size: block }).map(([key, value]) => `model.${key}=${String(value)}`);
}

/**
 * The weights of a Hugging Face GPT-2 under our names: with or without the `transformer.` prefix, without masks and the
 * tied head, [out, in] matrices turned (all or none: the first decides), positions cropped.
 * @throws UsageError when there is no `model.safetensors`
 */
export async function readPretrained(
  folder: string,
  blockSize: number,
): Promise<{ path: string; weights: Map<string, StoredTensor> }> {
  const file = path.join(folder, 'model.safetensors');
  if (!existsSync(file) && existsSync(path.join(folder, 'pytorch_model.bin'))) {
    throw new UsageError(
      'ESP_PRETRAINED',
      `${folder} has pytorch_model.bin alone, which can run code when it is read; load and save it with transformers (save_pretrained writes model.safetensors)`,
    );
  }
  const stored = await readSafetensors(file, (name) => !/\.attn\.(masked_)?bias$|^lm_head\./.test(name));
  const named = [...stored].map(([name, tensor]): [string, StoredTensor] => [
    name.startsWith('transformer.') ? name : `transformer.${name}`,
    tensor,
  ]);
  const [rows = 0, columns = 0] = named.find(([name]) => name.endsWith('.attn.c_attn.weight'))?.[1].shape ?? [];
  const weights = new Map(
    named.map(([name, tensor]) => [name, rows > columns && isProjection(name) ? transposed(tensor) : tensor]),
  );
  const positions = weights.get('transformer.wpe.weight');
  if (positions !== undefined) weights.set('transformer.wpe.weight', cropped(positions, blockSize));
  return { path: folder, weights };
}

function cropped({ shape: [rows = 0, width = 0], values }: StoredTensor, to: number): StoredTensor {
  const kept = Math.min(rows, to);
  return { shape: [kept, width], values: values.slice(0, kept * width) };
}

async function readConfig(folder: string): Promise<z.output<typeof configSchema>> {
  const file = path.join(folder, 'config.json');
  try {
    if ((await stat(file)).size > MAX_CONFIG_BYTES) throw new Error('it is over a megabyte');
    const parsed = configSchema.safeParse(JSON.parse(await readFile(file, 'utf8')));
    if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
    return parsed.data;
  } catch (thrown) {
    throw new UsageError('ESP_PRETRAINED', `${file} is no GPT-2 that can be loaded: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}
