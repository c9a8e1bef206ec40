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

/** The model's weights by name, or those of one pass. */
type Weights = Pick<ReadonlyMap<string, tf.Tensor>, 'get' | 'has'>;

/** Weights that a pass reads, each once, when it first needs it. */
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

/** Gives the mask of each dropout of a pass, in order; undefined where nothing is dropped. */
export type NextMask = () => DropoutMask | undefined;

/** What a pass has besides its ids and weights. */
export interface PassOptions {
  readonly nextMask?: NextMask;
  /** int32 [batch, time]; see `Batch.documents`. */
  readonly documents?: tf.Tensor2D | undefined;
  /** The positions before the ids; these are added. One text, without dropout. */
  readonly past?: Past | undefined;
}

/** What is added to `x`: computed with it, in one operation, or alone. */
export type Branch = (x?: tf.Tensor3D) => tf.Tensor3D;

/** The layers of one pass over a model, by the names of their weights: which operations of `ops` compute each. */
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

  /** ids [batch, time] → [batch, time, embd]; the low-rank term is never made into a table. */
  embedding(name: string, ids: tf.Tensor2D): tf.Tensor3D {
    const tokens = embedding(ids, this.weight(`${name}.weight`));
    const a = this.weights.get(`${name}.lora_A`);
    if (a === undefined) return tokens;
    return linear(this.#scaled(embedding(ids, a)), this.weight(`${name}.lora_B`), { residual: tokens });
  }

  /** x [..., embd] → [..., vocab] with a table of tokens. */
  unembedding<T extends tf.Tensor>(name: string, x: T): T {
    const logits = linear(x, this.weight(`${name}.weight`), { transposeWeight: true });
    const a = this.weights.get(`${name}.lora_A`);
    if (a === undefined) return logits;
    const low = linear(x, this.weight(`${name}.lora_B`), { transposeWeight: true });
    return linear(this.#scaled(low), a, { transposeWeight: true, residual: logits });
  }

  /** x [..., embd] → the same shape. */
  layerNorm(name: string, x: tf.Tensor3D): tf.Tensor3D {
    return layerNorm(x, this.weight(`${name}.weight`), this.weights.get(`${name}.bias`));
  }

  /** x [..., embd] → the same shape. */
  rmsNorm(name: string, x: tf.Tensor3D, epsilon: number): tf.Tensor3D {
    return rmsNorm(x, this.weight(`${name}.weight`), epsilon);
  }

  /** x [..., in] → [..., out]: x W + b, and alpha / rank · (x A) B where the layer has LoRA. */
  linear(name: string, x: tf.Tensor3D): tf.Tensor3D {
    return this.#withLora(name, x, linear(x, ...this.#product(name)));
  }

  /** qkv [batch, time, (heads + 2 · keyValueHeads) · part] → [batch, time, heads · part]. */
  attention(block: number, qkv: tf.Tensor3D, heads: number, options: HeadOptions = {}): tf.Tensor3D {
    const attended = this.#past?.attend(block, qkv, heads, options);
    if (attended !== undefined) return attended;
    return causalAttention(qkv, heads, { ...options, mask: this.#nextMask(), documents: this.#documents });
  }

  /** x [..., in] → [..., out], to be added: what `linear` gives, of what the activation makes of x. */
  projection(name: string, x: tf.Tensor3D, activation?: Activation): Branch {
    return (residual) => {
      const [weight, more] = this.#product(name, residual);
      if (activation === undefined) return this.#withLora(name, x, linear(x, weight, more));
      return activationLinear(x, activation, weight, more);
    };
  }

  /** `x` plus a branch: in one operation where nothing of the branch is dropped. */
  add(x: tf.Tensor3D, branch: Branch): tf.Tensor3D {
    const mask = this.#nextMask();
    return mask === undefined ? branch(x) : tf.add(x, dropout(branch(), mask));
  }

  dropout(x: tf.Tensor3D): tf.Tensor3D {
    return dropout(x, this.#nextMask());
  }

  /** A product's weight, and what is added to it. */
  #product(name: string, residual?: tf.Tensor): [tf.Tensor, LinearOptions] {
    return [this.weight(`${name}.weight`), { bias: this.weights.get(`${name}.bias`), residual }];
  }

  /** What a layer gives for x, and its low-rank term of x, if it has one. */
  #withLora(name: string, x: tf.Tensor3D, main: tf.Tensor3D): tf.Tensor3D {
    const a = this.weights.get(`${name}.lora_A`);
    if (a === undefined) return main;
    return linear(this.#scaled(linear(x, a)), this.weight(`${name}.lora_B`), { residual: main });
  }

  /** alpha / rank times a low-rank layer's middle [..., rank]. */
  #scaled<T extends tf.Tensor>(low: T): T {
    return tf.mul(low, this.loraAlpha / (low.shape.at(-1) ?? 1));
  }
}

function noMask(): undefined {
  // Nothing is dropped.
}
