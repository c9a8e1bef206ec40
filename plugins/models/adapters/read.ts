import { existsSync } from 'node:fs';
import path from 'node:path';
import type { StoredTensor, UsageError } from '../../../core/index.js';
import { readSafetensors } from '../../checkpoint/contract.js';
import { transposed } from '../weights/layout.js';
import { refusal } from '../weights/refusal.js';
import { ADAPTER_CONFIG, isTarget, rankAndScale, readAdapterConfig, type AdapterConfig } from './config.js';
import type { AdapterLayout } from './layout.js';

export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

/** LoRA of a module, which adds scale · (x A) B. */
export interface LowRank {
  readonly module: string;
  /** [in, rank] */
  readonly a: StoredTensor;
  /** [rank, out] */
  readonly b: StoredTensor;
  readonly scale: number;
  /** True if A and B belong to an embedding table [vocabulary, out]. */
  readonly isEmbedding: boolean;
}

/** A LoRA adapter in peft's format, by our layers. */
export interface Adapter {
  readonly folder: string;
  readonly config: AdapterConfig;
  /** By layer; one entry per module of Hugging Face's model. */
  readonly layers: ReadonlyMap<string, readonly LowRank[]>;
  /** The option of `model` that sets a layer's rank. */
  readonly optionOf: ReadonlyMap<string, string>;
  /** Embedding matrices stored next to their LoRA, under our names; [out, in]. */
  readonly embeddings: ReadonlyMap<string, StoredTensor>;
}

/**
 * Reads an adapter for a model.
 * @throws UsageError naming anything but LoRA on layers where the model supports it
 */
export async function readAdapter(folder: string, layout: AdapterLayout): Promise<Adapter> {
  const config = await readAdapterConfig(path.join(folder, ADAPTER_CONFIG));
  const file = path.join(folder, ADAPTER_WEIGHTS);
  if (!existsSync(file)) throw noWeights(folder);
  const { parts, embeddings } = sorted(await readSafetensors(file), file, layout);
  const layers = new Map<string, LowRank[]>();
  const optionOf = new Map<string, string>();
  for (const [stored, { a, b, isEmbedding }] of parts) {
    const { module, layer, option } = placed(layout, stored, file);
    const { rank, scale } = rankAndScale(config, module);
    if (a === undefined || b === undefined) {
      throw refusal(`${file} has only one of A and B of ${stored}`, 'save the adapter again');
    }
    if (!isTarget(config, module)) {
      throw refusal(
        `${file} has LoRA for ${stored}, which target_modules in ${ADAPTER_CONFIG} does not name`,
        'name it there, or remove it from the file',
      );
    }
    if (a.shape[1] !== rank || b.shape[0] !== rank) {
      const ranks = `${String(a.shape[1])} and ${String(b.shape[0])}`;
      throw refusal(
        `${file}: A and B of ${stored} have the ranks ${ranks}, but ${ADAPTER_CONFIG} says ${String(rank)}`,
        'the files are from different adapters: save the adapter again',
      );
    }
    layers.set(layer, [...(layers.get(layer) ?? []), { module, a, b, scale, isEmbedding }]);
    optionOf.set(layer, option);
  }
  if (layers.size === 0) throw refusal(`${file} has no LoRA`, 'give the folder of another adapter');
  return { folder, config, layers, optionOf, embeddings };
}

interface Part {
  a?: StoredTensor;
  b?: StoredTensor;
  isEmbedding: boolean;
}

/** peft's names: `base_model.model.MODULE.lora_A.weight`; some files have the adapter's name before `weight`. */
const LINEAR = /^(.+)\.lora_([AB])(?:\.[^.]+)?\.weight$/;
const EMBEDDING = /^(.+)\.lora_embedding_([AB])(?:\.[^.]+)?$/;
const BASE = /^(.+)\.base_layer\.weight$/;

function sorted(
  tensors: ReadonlyMap<string, StoredTensor>,
  file: string,
  layout: AdapterLayout,
): { parts: Map<string, Part>; embeddings: Map<string, StoredTensor> } {
  const parts = new Map<string, Part>();
  const embeddings = new Map<string, StoredTensor>();
  for (const [stored, tensor] of tensors) {
    const name = stored.replace(/^base_model\.model\./, '');
    const [, base] = BASE.exec(name) ?? [];
    if (base !== undefined) {
      embeddings.set(`${placed(layout, base, file).module}.weight`, tensor);
      continue;
    }
    const [, module = '', kind = ''] = LINEAR.exec(name) ?? EMBEDDING.exec(name) ?? [];
    if (module === '' || tensor.shape.length !== 2) {
      throw refusal(`${file} has ${stored}, which is not an A or B of LoRA`, merging);
    }
    const part = parts.get(module) ?? { isEmbedding: EMBEDDING.test(name) };
    parts.set(module, { ...part, [kind === 'A' ? 'a' : 'b']: transposed(tensor) });
  }
  return { parts, embeddings };
}

const merging = 'merge the adapter into its model (merge_and_unload() of peft), save that, and set init to it';

function placed(
  layout: AdapterLayout,
  module: string,
  file: string,
): { module: string; layer: string; option: string } {
  const found = layout.layerOf(module);
  if (found !== undefined) return found;
  throw refusal(`${file} has LoRA for ${module}, which this model does not support`, merging);
}

function noWeights(folder: string): UsageError {
  const pickle = existsSync(path.join(folder, 'adapter_model.bin'));
  return pickle
    ? refusal(
        `${folder} has adapter_model.bin, which can run code when loaded, but no ${ADAPTER_WEIGHTS}`,
        'load it with peft and save it again with safe_serialization=True',
      )
    : refusal(`${folder} has ${ADAPTER_CONFIG} but no ${ADAPTER_WEIGHTS}`, 'put that file next to it');
}

/** Returns the error for an adapter of a model whose format has no adapters. @param source the adapter's config */
export function noAdapters(source: string, format: string): UsageError {
  return refusal(`${source} is an adapter for a ${format}, for which adapters are not supported`, merging);
}
