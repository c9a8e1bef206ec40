import type { Model, StoredTensor } from '../../../core/index.js';
import { sameTensor, transposed, zeros } from '../weights/layout.js';
import { isLora } from '../weights/lora.js';
import { refusal } from '../weights/refusal.js';
import type { AdapterLayout, AdapterModule } from './layout.js';
import type { Adapter, LowRank } from './read.js';

/** The options of `model` that an adapter needs: the rank of each kind of layer, and `lora_alpha`. */
export function adapterOptions(adapter: Adapter, { rankOptions }: AdapterLayout): Record<string, number> {
  const ranks = Object.fromEntries(rankOptions.map((option) => [option, 0]));
  for (const [layer, parts] of adapter.layers) {
    const option = adapter.optionOf.get(layer) ?? '';
    ranks[option] = Math.max(ranks[option] ?? 0, rankOf(parts));
  }
  // Of the first kind of layer, most have B as it is.
  const first = rankOptions.find((option) => (ranks[option] ?? 0) > 0) ?? '';
  const scales = [...adapter.layers].flatMap(([layer, parts]) =>
    adapter.optionOf.get(layer) === first ? parts.map(({ scale }) => scale) : [],
  );
  const scale = mostFrequent(scales) ?? 1;
  return { ...ranks, lora_alpha: Number((scale * (ranks[first] ?? 1)).toPrecision(DIGITS)) };
}

/** alpha / rank · rank is alpha again, but for its last bits. */
const DIGITS = 14;

/**
 * LoRA's terms of a model with the options of `adapterOptions`, under its names: scales are in B, what a module lacks is
 * zeros. Modules with A's of their own in one layer stand side by side: A is [A1 | A2], and B has a block for each.
 * Zeros in A and B have no gradient: what an adapter has no LoRA for stays without it.
 * @throws UsageError for a layer or a size that the model does not have
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
        `${adapter.folder} has LoRA of ${parts.map(({ module }) => module).join(', ')}, which the base model does not have`,
        'the adapter is of another model: name its own as base_model_name_or_path',
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

/** Copies the parts of one layer into its A and B. */
function place(adapter: Adapter, modules: readonly AdapterModule[], parts: readonly LowRank[], to: Target): void {
  const distinct = distinctOf(parts);
  for (const part of withoutHead(adapter, modules, parts)) {
    const module = modules.find(({ name }) => name === part.module);
    const fits = part.a.shape[0] === to.a.shape[0] && part.b.shape[1] === module?.outputs;
    if (module === undefined || !fits || part.isEmbedding !== (module.kind === 'embedding')) {
      const sizes = `[${String(part.a.shape[0])}, ${String(part.b.shape[1])}]`;
      throw refusal(
        `${adapter.folder} has LoRA of ${part.module} as a matrix ${sizes}, which the base model does not have`,
        'the adapter is of another model: name its own as base_model_name_or_path',
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

/** Embedding and head are one matrix in a model that ties them: their LoRA has to be one, too. */
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
    `${folder} has LoRA of ${have}, and this model has one for both its embedding and ${head.name}, whose matrix is the same`,
    'train an adapter without it, or merge this one (merge_and_unload() of peft) and set init to what that saves',
  );
}

function rankOf(parts: readonly LowRank[]): number {
  return distinctOf(parts).reduce((sum, a) => sum + (a.shape[1] ?? 0), 0);
}

/** The different A's of a layer's modules; the embedding's alone where it has one. */
function distinctOf(parts: readonly LowRank[]): StoredTensor[] {
  const embedding = parts.find(({ isEmbedding }) => isEmbedding);
  const distinct: StoredTensor[] = [];
  for (const { a } of embedding === undefined ? parts : [embedding]) {
    if (!distinct.some((other) => sameTensor(other, a))) distinct.push(a);
  }
  return distinct;
}

/** 1 where two ways to compute a scale differ in their last bits alone. */
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

/** The first of the values that are there most often. */
export function mostFrequent(values: readonly number[]): number | undefined {
  const count = (value: number): number => values.filter((other) => other === value).length;
  const most = Math.max(...values.map(count));
  return values.find((value) => count(value) === most);
}
