import type { StoredTensor } from '../../../core/index.js';
import type { HeadSizes } from '../../ops/contract.js';
import type { BlockView, Matrix, ModelView } from '../inspection/inspectable.js';
import { addProduct, attend, attentionWeights } from './kernels/plain.js';

type Weights = ReadonlyMap<string, StoredTensor>;

/** Names of the layers that a view uses; per-block layers by block index. */
interface ViewedLayers {
  readonly embedding: string;
  qkv(block: number): string;
  up(block: number): string;
  down(block: number): string;
}

/** A decoder's parts, computed from a copy of its weights in plain arithmetic. */
export abstract class DecoderView implements ModelView {
  readonly tokenEmbedding: Matrix;
  readonly blocks: readonly BlockView[];
  readonly #layers = new Map<string, Matrix>();

  constructor(
    private readonly weights: Weights,
    private readonly heads: HeadSizes,
    private readonly loraAlpha: number,
    layers: ViewedLayers,
  ) {
    this.tokenEmbedding = this.matrix(layers.embedding);
    const blocks: BlockView[] = [];
    while (weights.has(`${layers.qkv(blocks.length)}.weight`)) {
      const [block, { heads: queries, keyValueHeads, headDim }] = [blocks.length, heads];
      const qkv = this.matrix(layers.qkv(block));
      const columns = (first: number, count: number): Matrix => columnsOf(qkv, first * headDim, count * headDim);
      blocks.push({
        queries: columns(0, queries),
        keys: columns(queries, keyValueHeads),
        values: columns(queries + keyValueHeads, keyValueHeads),
        up: this.matrix(layers.up(block)),
        down: this.matrix(layers.down(block)),
      });
    }
    this.blocks = blocks;
  }

  /** Embeds ids [time] → [time, width]. */
  protected abstract embedded(ids: Int32Array): Float64Array;
  /** Maps x [time, width] to queries, keys and values [time, …] in attention's layout. */
  protected abstract qkv(block: number, x: Float64Array): Float64Array;
  /** Maps the heads' output [time, heads · headDim] to what is added to x [time, width]. */
  protected abstract attended(block: number, y: Float64Array): Float64Array;
  /** Maps x [time, width] to what is added to it. */
  protected abstract mlp(block: number, x: Float64Array): Float64Array;

  attention(ids: Int32Array, visit: (block: number, head: number, weights: Float64Array) => void): void {
    const time = ids.length;
    const { heads, headDim } = this.heads;
    let x = this.embedded(ids);
    const weights = new Float64Array(time * time);
    for (let block = 0; block < this.blocks.length; block++) {
      const qkv = this.qkv(block, x);
      const y = new Float64Array(time * heads * headDim);
      for (let head = 0; head < heads; head++) {
        attentionWeights(weights, qkv, { time, of: this.heads, head });
        visit(block, head, weights);
        attend(y, weights, qkv, { time, of: this.heads, head });
      }
      // No attention follows the last block.
      if (block === this.blocks.length - 1) return;
      x = sum(x, this.attended(block, y));
      x = sum(x, this.mlp(block, x));
    }
  }

  /** Returns rows of the token embedding, [time, width]. */
  protected rows(ids: Int32Array): Float64Array {
    const { columns: width, values } = this.tokenEmbedding;
    const x = new Float64Array(ids.length * width);
    ids.forEach((id, t) => {
      x.set(values.subarray(id * width, (id + 1) * width), t * width);
    });
    return x;
  }

  /** Maps x [rows, in] to [rows, out]: x W + b, with LoRA merged in. */
  protected linear(layer: string, x: Float64Array): Float64Array {
    const { rows: inner, columns, values } = this.matrix(layer);
    const rows = x.length / inner;
    const out = new Float64Array(rows * columns);
    const bias = this.weights.get(`${layer}.bias`);
    if (bias !== undefined) for (let row = 0; row < rows; row++) out.set(bias.values, row * columns);
    addProduct(out, x, values, { rows, inner, columns });
    return out;
  }

  /** Returns the values of a weight, if it exists. */
  protected vector(name: string): Float32Array | undefined {
    const tensor = this.weights.get(name);
    return tensor === undefined ? undefined : floats(tensor.values);
  }

  /** Returns a layer's effective matrix: weight + alpha / rank · A B. */
  protected matrix(layer: string): Matrix {
    const known = this.#layers.get(layer);
    if (known !== undefined) return known;
    const weight = matrixOf(this.weights, `${layer}.weight`);
    const merged = this.weights.has(`${layer}.lora_A`) ? this.#merged(layer, weight) : weight;
    this.#layers.set(layer, merged);
    return merged;
  }

  #merged(layer: string, weight: Matrix): Matrix {
    const [a, b] = [matrixOf(this.weights, `${layer}.lora_A`), matrixOf(this.weights, `${layer}.lora_B`)];
    const { rows, columns } = weight;
    const values = Float64Array.from(weight.values);
    addProduct(values, a.values, b.values, { rows, inner: a.columns, columns, scale: this.loraAlpha / a.columns });
    return { rows, columns, values };
  }
}

function columnsOf({ rows, columns, values }: Matrix, first: number, count: number): Matrix {
  const part = new Float64Array(rows * count);
  for (let row = 0; row < rows; row++) {
    const from = row * columns + first;
    part.set(values.subarray(from, from + count), row * count);
  }
  return { rows, columns: count, values: part };
}

function matrixOf(weights: Weights, name: string): Matrix {
  const tensor = weights.get(name);
  if (tensor === undefined) throw new Error(`the copy of the model has no weight ${name}`);
  const columns = tensor.shape.at(-1) ?? 1;
  return { rows: tensor.values.length / columns, columns, values: floats(tensor.values) };
}

function floats(values: StoredTensor['values']): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

function sum(x: Float64Array, y: Float64Array): Float64Array {
  return x.map((value, i) => value + (y[i] ?? 0));
}
