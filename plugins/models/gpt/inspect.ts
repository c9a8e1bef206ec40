import type { StoredTensor } from '../../../core/index.js';
import type { BlockView, Matrix, ModelView } from '../inspection/inspectable.js';
import { gptOptions, type GptConfig } from './config.js';
import { addProduct, attend, attentionWeights, activate, layerNorm, rotate } from './kernels/plain.js';

type Weights = ReadonlyMap<string, StoredTensor>;

/** The view of a copy of this model's weights; loaded by worker threads. @param config the model's options */
export function viewModel(config: unknown, weights: Weights): ModelView {
  return new GptView(gptOptions.parse(config), weights);
}

class GptView implements ModelView {
  readonly tokenEmbedding: Matrix;
  readonly blocks: readonly BlockView[];
  /** Queries, keys and values in one, by block [width, 3 · width]. */
  readonly #qkv: readonly Matrix[];

  constructor(
    private readonly config: GptConfig,
    private readonly weights: Weights,
  ) {
    this.tokenEmbedding = merged(config, weights, 'transformer.wte');
    const blocks = [];
    while (weights.has(`${at(blocks.length)}.ln_1.weight`)) blocks.push(at(blocks.length));
    this.#qkv = blocks.map((block) => merged(config, weights, `${block}.attn.c_attn`));
    this.blocks = blocks.map((block, index) => {
      const [queries, keys, values] = [0, 1, 2].map((third) => columnsOf(matrixAt(this.#qkv, index), third));
      if (queries === undefined || keys === undefined || values === undefined) throw new Error('there are three parts');
      const up = matrixOf(weights, `${block}.mlp.c_fc.weight`);
      return { queries, keys, values, up, down: matrixOf(weights, `${block}.mlp.c_proj.weight`) };
    });
  }

  attention(ids: Int32Array, visit: (block: number, head: number, weights: Float64Array) => void): void {
    const time = ids.length;
    const heads = this.config.n_head;
    let x = this.#embedded(ids);
    const weights = new Float64Array(time * time);
    for (let index = 0; index < this.blocks.length; index++) {
      const block = at(index);
      const normed = this.#norm(`${block}.ln_1`, x);
      const qkv = this.#project(normed, matrixAt(this.#qkv, index), `${block}.attn.c_attn.bias`);
      if (this.config.rotary) rotate(qkv, time, heads, this.config.rotary_base);
      const attended = new Float64Array(x.length);
      for (let head = 0; head < heads; head++) {
        attentionWeights(weights, qkv, { time, heads, head });
        visit(index, head, weights);
        attend(attended, weights, qkv, { time, heads, head });
      }
      // Nothing attends to what the last block gives.
      if (index === this.blocks.length - 1) return;
      x = sum(x, this.#layer(attended, `${block}.attn.c_proj`));
      const hidden = this.#layer(this.#norm(`${block}.ln_2`, x), `${block}.mlp.c_fc`);
      activate(hidden, this.config.activation);
      x = sum(x, this.#layer(hidden, `${block}.mlp.c_proj`));
    }
  }

  /** [time, width] */
  #embedded(ids: Int32Array): Float64Array {
    const { columns: width, values } = this.tokenEmbedding;
    const x = new Float64Array(ids.length * width);
    ids.forEach((id, t) => {
      x.set(values.subarray(id * width, (id + 1) * width), t * width);
    });
    const positions = this.config.rotary ? undefined : tensorOf(this.weights, 'transformer.wpe.weight').values;
    return positions === undefined ? x : x.map((value, i) => value + (positions[i] ?? 0));
  }

  #norm(name: string, x: Float64Array): Float64Array {
    const bias = this.weights.get(`${name}.bias`);
    return layerNorm(
      x,
      matrixOf(this.weights, `${name}.weight`).values,
      bias === undefined ? undefined : floats(bias.values),
    );
  }

  #layer(x: Float64Array, name: string): Float64Array {
    return this.#project(x, matrixOf(this.weights, `${name}.weight`), `${name}.bias`);
  }

  #project(x: Float64Array, weight: Matrix, biasName: string): Float64Array {
    const { rows: inner, columns, values } = weight;
    const rows = x.length / inner;
    const out = new Float64Array(rows * columns);
    const bias = this.weights.get(biasName);
    if (bias !== undefined) for (let row = 0; row < rows; row++) out.set(bias.values, row * columns);
    addProduct(out, x, values, { rows, inner, columns });
    return out;
  }
}

function at(block: number): string {
  return `transformer.h.${String(block)}`;
}

/** weight + alpha / rank · A B: what a layer computes with. */
function merged(config: GptConfig, weights: Weights, layer: string): Matrix {
  const weight = matrixOf(weights, `${layer}.weight`);
  if (!weights.has(`${layer}.lora_A`)) return weight;
  const [a, b] = [matrixOf(weights, `${layer}.lora_A`), matrixOf(weights, `${layer}.lora_B`)];
  const { rows, columns } = weight;
  const values = Float64Array.from(weight.values);
  addProduct(values, a.values, b.values, { rows, inner: a.columns, columns, scale: config.lora_alpha / a.columns });
  return { rows, columns, values };
}

/** One third of the columns. */
function columnsOf({ rows, columns, values }: Matrix, third: number): Matrix {
  const width = columns / 3;
  const part = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const from = row * columns + third * width;
    part.set(values.subarray(from, from + width), row * width);
  }
  return { rows, columns: width, values: part };
}

function matrixOf(weights: Weights, name: string): Matrix {
  const { shape, values } = tensorOf(weights, name);
  const columns = shape.at(-1) ?? 1;
  return { rows: values.length / columns, columns, values: floats(values) };
}

function tensorOf(weights: Weights, name: string): StoredTensor {
  const tensor = weights.get(name);
  if (tensor === undefined) throw new Error(`the copy of the model has no weight ${name}`);
  return tensor;
}

function matrixAt(matrices: readonly Matrix[], index: number): Matrix {
  const matrix = matrices[index];
  if (matrix === undefined) throw new Error(`there is no block ${String(index)}`);
  return matrix;
}

function floats(values: StoredTensor['values']): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

function sum(x: Float64Array, y: Float64Array): Float64Array {
  return x.map((value, i) => value + (y[i] ?? 0));
}
