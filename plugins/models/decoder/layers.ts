import { tf, type DropoutMask } from '../../../core/index.js';
import {
  type Activation,
  activationLinear,
  causalAttention,
  dropout,
  embedding,
  type HeadOptions,
  layerNorm,
  linear,
  type LinearOptions,
  rmsNorm,
} from '../../ops/contract.js';
import type { Past } from './past.js';

/** Weights by name, of the model or of one pass. */
type Weights = Pick<ReadonlyMap<string, tf.Tensor>, 'get' | 'has'>;

/** The weights of a pass; each is read once, when first needed. */
export class ReadWeights implements Weights {
  readonly #read = new Map<string, tf.Tensor>();

  constructor(
    private readonly weights: ReadonlyMap<string, tf.Variable>,
    private readonly read: (name: string, weight: tf.Variable) => tf.Tensor,
  ) {}

  has(name: string): boolean {
    return this.weights.has(name);
  }

  get(name: string): tf.Tensor | undefined {
    const before = this.#read.get(name);
    const weight = this.weights.get(name);
    if (before !== undefined || weight === undefined) return before;
    const read = this.read(name, weight);
    this.#read.set(name, read);
    return read;
  }
}

/** Returns the mask of the next dropout of a pass; undefined without dropout. */
export type NextMask = () => DropoutMask | undefined;

/** Inputs of a pass besides ids and weights. */
export interface PassOptions {
  readonly nextMask?: NextMask;
  /** int32 [batch, time]; see `Batch.documents`. */
  readonly documents?: tf.Tensor2D | undefined;
  /** Key/value cache of the positions before the ids, to which these are added. One text, without dropout. */
  readonly past?: Past | undefined;
}

/** A branch to be added to `x`: fused with the addition if `x` is given. */
export type Branch = (x?: tf.Tensor3D) => tf.Tensor3D;

/** The layers of a pass, by the names of their weights; maps each to operations of `ops`. */
export class Layers {
  readonly #nextMask: NextMask;
  readonly #documents: tf.Tensor2D | undefined;
  readonly #past: Past | undefined;

  constructor(
    private readonly weights: Weights,
    private readonly loraAlpha: number,
    { nextMask = noMask, documents, past }: PassOptions = {},
  ) {
    this.#nextMask = nextMask;
    this.#documents = documents;
    this.#past = past;
  }

  /** Position of the first id. */
  get first(): number {
    return this.#past?.first ?? 0;
  }

  has(name: string): boolean {
    return this.weights.has(name);
  }

  weight(name: string): tf.Tensor {
    const weight = this.weights.get(name);
    if (weight === undefined) throw new Error(`the model has no weight ${name}`);
    return weight;
  }

  /** Maps ids [batch, time] to [batch, time, embd]; LoRA's term is looked up too, never expanded to a table. */
  embedding(name: string, ids: tf.Tensor2D): tf.Tensor3D {
    const tokens = embedding(ids, this.weight(`${name}.weight`));
    const a = this.weights.get(`${name}.lora_A`);
    if (a === undefined) return tokens;
    return linear(this.#scaled(embedding(ids, a)), this.weight(`${name}.lora_B`), { residual: tokens });
  }

  /** Maps x [..., embd] to [..., vocab] with an embedding table. */
  unembedding<T extends tf.Tensor>(name: string, x: T): T {
    const logits = linear(x, this.weight(`${name}.weight`), { transposeWeight: true });
    const a = this.weights.get(`${name}.lora_A`);
    if (a === undefined) return logits;
    const low = linear(x, this.weight(`${name}.lora_B`), { transposeWeight: true });
    return linear(this.#scaled(low), a, { transposeWeight: true, residual: logits });
  }

  /** Applies layer norm to x [..., embd]. */
  layerNorm(name: string, x: tf.Tensor3D): tf.Tensor3D {
    return layerNorm(x, this.weight(`${name}.weight`), this.weights.get(`${name}.bias`));
  }

  /** Applies RMS norm to x [..., embd]. */
  rmsNorm(name: string, x: tf.Tensor3D, epsilon: number): tf.Tensor3D {
    return rmsNorm(x, this.weight(`${name}.weight`), epsilon);
  }

  /** Maps x [..., in] to [..., out]: x W + b, plus alpha / rank · (x A) B if the layer has LoRA. */
  linear(name: string, x: tf.Tensor3D): tf.Tensor3D {
    return this.#withLora(name, x, linear(x, ...this.#product(name)));
  }

  /** Maps qkv [batch, time, (heads + 2 · keyValueHeads) · headDim] to [batch, time, heads · headDim]. */
  attention(block: number, qkv: tf.Tensor3D, heads: number, options: HeadOptions = {}): tf.Tensor3D {
    const attended = this.#past?.attend(block, qkv, heads, options);
    if (attended !== undefined) return attended;
    return causalAttention(qkv, heads, { ...options, mask: this.#nextMask(), documents: this.#documents });
  }

  /** Returns a branch that maps x [..., in] to [..., out]: `linear` of the activation of x. */
  projection(name: string, x: tf.Tensor3D, activation?: Activation): Branch {
    return (residual) => {
      const [weight, more] = this.#product(name, residual);
      if (activation === undefined) return this.#withLora(name, x, linear(x, weight, more));
      return activationLinear(x, activation, weight, more);
    };
  }

  /** Adds a branch to `x`, in one operation if the branch has no dropout. */
  add(x: tf.Tensor3D, branch: Branch): tf.Tensor3D {
    const mask = this.#nextMask();
    return mask === undefined ? branch(x) : tf.add(x, dropout(branch(), mask));
  }

  dropout(x: tf.Tensor3D): tf.Tensor3D {
    return dropout(x, this.#nextMask());
  }

  /** Returns a product's weight and what is added to it. */
  #product(name: string, residual?: tf.Tensor): [tf.Tensor, LinearOptions] {
    return [this.weight(`${name}.weight`), { bias: this.weights.get(`${name}.bias`), residual }];
  }

  /** Adds the layer's low-rank term of x to `main`, if it has one. */
  #withLora(name: string, x: tf.Tensor3D, main: tf.Tensor3D): tf.Tensor3D {
    const a = this.weights.get(`${name}.lora_A`);
    if (a === undefined) return main;
    return linear(this.#scaled(linear(x, a)), this.weight(`${name}.lora_B`), { residual: main });
  }

  /** Multiplies a low-rank layer's intermediate [..., rank] by alpha / rank. */
  #scaled<T extends tf.Tensor>(low: T): T {
    return tf.mul(low, this.loraAlpha / (low.shape.at(-1) ?? 1));
  }
}

function noMask(): undefined {
  // No dropout.
}
