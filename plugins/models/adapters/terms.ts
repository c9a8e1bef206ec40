import type { Model, StoredTensor } from '../../../core/index.js';
import { sameTensor, transposed, zeros } from '../weights/layout.js';
import { isLora } from '../weights/lora.js';
import { refusal } from '../weights/refusal.js';
import type { AdapterLayout, AdapterModule } from './layout.js';
import type { Adapter, LowRank } from './read.js';

/** Returns the options of `model` that an adapter needs: the rank of each kind of layer, and `lora_alpha`. */
export function adapterOptions(adapter: Adapter, { rankOptions }: AdapterLayout): Record<string, number> {
  const ranks = Object.fromEntries(rankOptions.map((option) => [option, 0]));
  for (const [layer, parts] of adapter.layers) {
    const option = adapter.optionOf.get(layer) ?? '';
    ranks[option] = Math.max(ranks[option] ?? 0, rankOf(parts));
  }
  // Chosen for the first kind of layer, so that most of its B stay unscaled.
  const first = rankOptions.find((option) => (ranks[option] ?? 0) > 0) ?? '';
  const scales = [...adapter.layers].flatMap(([layer, parts]) =>
    adapter.optionOf.get(layer) === first ? parts.map(({ scale }) => scale) : [],
  );
  const scale = mostFrequent(scales) ?? 1;
  return { ...ranks, lora_alpha: Number((scale * (ranks[first] ?? 1)).toPrecision(DIGITS)) };
}

/** alpha / rank · rank differs from alpha only in its last bits. */
const DIGITS = 14;

/**
 * Returns LoRA's tensors for a model with the options of `adapterOptions`, under its names. Scales are multiplied into
 * B, and unused parts are zero. If the modules of a layer have different A's, they are placed side by side: A is [A1 |
 * A2], and B has one block for each. Where both A and B are zero there is no gradient, so parts without LoRA stay
 * without it.
 * @throws UsageError for a layer or size that the model does not have
 */
export function adapterTerms(
  adapter: Adapter,
  layout: AdapterLayout,
  model: Pick<Model, 'description'> & { parameters(): ReadonlyMap<string, { readonly shape: readonly number[] }> },
): Map<string, StoredTensor> {
  const parameters = model.parameters();
  const terms = new Map<string, StoredTensor>();
  for (const [name, { shape }] of parameters) {
    if (isLora(name)) terms.set(name, zeros(shape));
  }
  const alpha = Number(model.description['lora_alpha']);
  for (const [layer, parts] of adapter.layers) {
    const [a, b] = [terms.get(`${layer}.lora_A`), terms.get(`${layer}.lora_B`)];
    if (a === undefined || b === undefined) {
      throw refusal(
        `${adapter.folder} has LoRA for ${parts.map(({ module }) => module).join(', ')}, which the base model does not have`,
        'the adapter is for another model: set base_model_name_or_path to that one',
      );
    }
    const modules = layout.modulesOf(layer, model.description);
    place(adapter, modules, parts, { a, b, scale: alpha / (a.shape[1] ?? 1) });
  }
  return terms;
}

interface Target {
  readonly a: StoredTensor;
  readonly b: StoredTensor;
  readonly scale: number;
}

/** Copies the parts of a layer into its A and B. */
function place(adapter: Adapter, modules: readonly AdapterModule[], parts: readonly LowRank[], to: Target): void {
  const distinct = distinctOf(parts);
  for (const part of withoutHead(adapter, modules, parts)) {
    const module = modules.find(({ name }) => name === part.module);
    const fits = part.a.shape[0] === to.a.shape[0] && part.b.shape[1] === module?.outputs;
    if (module === undefined || !fits || part.isEmbedding !== (module.kind === 'embedding')) {
      const sizes = `[${String(part.a.shape[0])}, ${String(part.b.shape[1])}]`;
      throw refusal(
        `${adapter.folder} has LoRA for ${part.module} with a matrix ${sizes}, which does not fit the base model`,
        'the adapter is for another model: set base_model_name_or_path to that one',
      );
    }
    const before = distinct.slice(
      0,
      distinct.findIndex((a) => sameTensor(a, part.a)),
    );
    const rank = before.reduce((sum, a) => sum + (a.shape[1] ?? 0), 0);
    const column = modules.slice(0, modules.indexOf(module)).reduce((sum, { outputs }) => sum + outputs, 0);
    copyInto(to.a, part.a, { row: 0, column: rank, factor: 1 });
    copyInto(to.b, part.b, { row: rank, column, factor: factorOf(part.scale, to.scale) });
  }
}

/** A model that ties embedding and head has a single matrix, so their LoRA must be the same too. */
function withoutHead(
  { folder }: Adapter,
  modules: readonly AdapterModule[],
  parts: readonly LowRank[],
): readonly LowRank[] {
  const head = modules.find(({ kind }) => kind === 'head');
  if (head === undefined) return parts;
  const embedding = parts.find(({ isEmbedding }) => isEmbedding);
  const other = parts.find(({ module }) => module === head.name);
  const isOne =
    embedding !== undefined &&
    other !== undefined &&
    other.scale === embedding.scale &&
    sameTensor(transposed(other.a), embedding.b) &&
    sameTensor(transposed(other.b), embedding.a);
  if (isOne) return [embedding];
  const have = parts.map(({ module }) => module).join(' and ');
  throw refusal(
    `${folder} has LoRA for ${have}, but this model ties its embedding and ${head.name}, so they must have the same LoRA`,
    'train an adapter without it, or merge this one (merge_and_unload() of peft) and set init to what that saves',
  );
}

function rankOf(parts: readonly LowRank[]): number {
  return distinctOf(parts).reduce((sum, a) => sum + (a.shape[1] ?? 0), 0);
}

/** Returns the distinct A's of a layer's modules; only the embedding's, if it has one. */
function distinctOf(parts: readonly LowRank[]): StoredTensor[] {
  const embedding = parts.find(({ isEmbedding }) => isEmbedding);
  const distinct: StoredTensor[] = [];
  for (const { a } of embedding === undefined ? parts : [embedding]) {
    if (!distinct.some((other) => sameTensor(other, a))) distinct.push(a);
  }
  return distinct;
}

/** Returns 1 if two scales differ only in their last bits. */
function factorOf(scale: number, own: number): number {
  const factor = scale / own;
  return Math.abs(factor - 1) < 10 ** (1 - DIGITS) ? 1 : factor;
}

function copyInto(
  { shape: [, width = 0], values: to }: StoredTensor,
  { shape: [rows = 0, columns = 0], values: from }: StoredTensor,
  { row, column, factor }: { row: number; column: number; factor: number },
): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      to[(row + i) * width + column + j] = factor * (from[i * columns + j] ?? 0);
    }
  }
}

/** Returns the most frequent value; the first of several. */
export function mostFrequent(values: readonly number[]): number | undefined {
  const count = (value: number): number => values.filter((other) => other === value).length;
  const most = Math.max(...values.map(count));
  return values.find((value) => count(value) === most);
}
