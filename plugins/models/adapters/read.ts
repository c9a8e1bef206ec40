import { existsSync } from 'node:fs';
import path from 'node:path';
import type { StoredTensor, UsageError } from '../../../core/index.js';
import { readSafetensors } from '../../checkpoint/contract.js';
import { transposed } from '../weights/layout.js';
import { refusal } from '../weights/refusal.js';
import { ADAPTER_CONFIG, isTarget, rankAndScale, readAdapterConfig, type AdapterConfig } from './config.js';
import type { AdapterLayout } from './layout.js';

export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

/** LoRA of one module: it adds scale · (x A) B. */
export interface LowRank {
  readonly module: string;
  /** [in, rank] */
  readonly a: StoredTensor;
  /** [rank, out] */
  readonly b: StoredTensor;
  readonly scale: number;
  /** A and B are of an embedding's table [vocabulary, out]. */
  readonly isEmbedding: boolean;
}

/** A LoRA adapter as peft writes it, by our layers. */
export interface Adapter {
  readonly folder: string;
  readonly config: AdapterConfig;
  /** By layer, then by module in Hugging Face's model. */
  readonly layers: ReadonlyMap<string, readonly LowRank[]>;
  /** The option of `model` with a layer's rank. */
  readonly optionOf: ReadonlyMap<string, string>;
  /** Matrices of embeddings that stand beside their LoRA, by our names of them; [out, in]. */
  readonly embeddings: ReadonlyMap<string, StoredTensor>;
}

/**
 * Reads an adapter for a model.
 * @throws UsageError for one that has something else than LoRA on layers where the model can have it, naming it
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
        `${file} has LoRA of ${stored}, which target_modules of ${ADAPTER_CONFIG} does not name`,
        'name it there, or take it out of the file',
      );
    }
    if (a.shape[1] !== rank || b.shape[0] !== rank) {
      const ranks = `${String(a.shape[1])} and ${String(b.shape[0])}`;
      throw refusal(
        `${file}: A and B of ${stored} have the ranks ${ranks}, and ${ADAPTER_CONFIG} gives it ${String(rank)}`,
        'the two are of different adapters: save it again',
      );
    }
    layers.set(layer, [...(layers.get(layer) ?? []), { module, a, b, scale, isEmbedding }]);
    optionOf.set(layer, option);
  }
  if (layers.size === 0) throw refusal(`${file} has no LoRA`, 'name the folder of another adapter');
  return { folder, config, layers, optionOf, embeddings };
}

interface Part {
  a?: StoredTensor;
  b?: StoredTensor;
  isEmbedding: boolean;
}

/** peft's names: `base_model.model.MODULE.lora_A.weight`, with the adapter's name before `weight` in some files. */
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
      throw refusal(`${file} has ${stored}, which is no A or B of LoRA`, merging);
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
  throw refusal(`${file} has LoRA of ${module}, where this model has none`, merging);
}

function noWeights(folder: string): UsageError {
  const pickle = existsSync(path.join(folder, 'adapter_model.bin'));
  return pickle
    ? refusal(
        `${folder} has adapter_model.bin, which can run code when it is read, and no ${ADAPTER_WEIGHTS}`,
        'load it with peft and save it again with safe_serialization=True',
      )
    : refusal(`${folder} has ${ADAPTER_CONFIG} but no ${ADAPTER_WEIGHTS}`, 'put that beside it');
}

/** For an adapter of a model whose format has no place for any. @param source the adapter's config */
export function noAdapters(source: string, format: string): UsageError {
  return refusal(`${source} is an adapter of a ${format}, for which none are read`, merging);
}
