import { tf, type DropoutMask } from '../../../core/index.js';
import {
  activationLinear,
  causalAttention,
  dropout,
  embedding,
  layerNorm,
  linear,
  type LinearOptions,
  rotary,
} from '../../ops/contract.js';
import type { GptConfig } from './config.js';
import type { Past } from './past.js';

/** `ids` [batch, time] → the last layer norm's output [batch, time, embd]. */
export function hiddenStates(layers: Layers, ids: tf.Tensor2D): tf.Tensor3D {
  const tokens = layers.embedding('transformer.wte', ids); // [batch, time, embd]
  const placed = layers.config.rotary ? tokens : tf.add<tf.Tensor3D>(tokens, positions(layers, ids.shape[1]));
  let x = layers.dropout(placed);
  for (let index = 0; layers.has(`transformer.h.${String(index)}.ln_1.weight`); index++) x = block(layers, index, x);
  return layers.norm('transformer.ln_f', x);
}

/** Hidden states [..., embd] → logits [..., vocab], with the token embedding as the head. */
export function head<T extends tf.Tensor>(layers: Layers, hidden: T): T {
  return layers.unembedding('transformer.wte', hidden);
}

/** Learned positions [time, embd]. */
function positions(layers: Layers, time: number): tf.Tensor {
  const table = layers.weight('transformer.wpe.weight'); // [block, embd]
  const [rows = 0, width = 0] = table.shape;
  return time === rows ? table : tf.slice(table, [layers.first, 0], [time, width]);
}

/** x [batch, time, embd] → the same shape. */
function block(layers: Layers, index: number, x: tf.Tensor3D): tf.Tensor3D {
  const at = `transformer.h.${String(index)}`;
  x = layers.add(x, attention(layers, index, layers.norm(`${at}.ln_1`, x)));
  x = layers.add(x, mlp(layers, `${at}.mlp`, layers.norm(`${at}.ln_2`, x)));
  return x;
}

/** x [batch, time, embd] → the same shape. */
function attention(layers: Layers, index: number, x: tf.Tensor3D): Branch {
  const at = `transformer.h.${String(index)}.attn`;
  const qkv = layers.linear(`${at}.c_attn`, x); // [batch, time, 3 · embd]
  const attended = layers.attention(index, layers.rotated(qkv)); // [batch, time, embd]
  return layers.projection(`${at}.c_proj`, attended);
}

/** x [batch, time, embd] → the same shape. */
function mlp(layers: Layers, at: string, x: tf.Tensor3D): Branch {
  const hidden = layers.linear(`${at}.c_fc`, x); // [batch, time, hidden]
  return layers.projection(`${at}.c_proj`, hidden, layers.config.activation);
}

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
interface PassOptions {
  readonly nextMask?: NextMask;
  /** int32 [batch, time]; see `Batch.documents`. */
  readonly documents?: tf.Tensor2D | undefined;
  /** The positions before the ids; these are added. One text, without dropout. */
  readonly past?: Past;
}

/** What is added to `x`: computed with it, in one operation, or alone. */
export type Branch = (x?: tf.Tensor3D) => tf.Tensor3D;

/** The layers of one pass over a model, by the names of their weights: which operations of `ops` compute each. */
export class Layers {
  readonly #nextMask: NextMask;
  readonly #documents: tf.Tensor2D | undefined;
  readonly #past: Past | undefined;

  constructor(
    readonly config: GptConfig,
    private readonly weights: Weights,
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

  /** x [..., embd] → [..., vocab] with an embedding's table. */
  unembedding<T extends tf.Tensor>(name: string, x: T): T {
    const logits = linear(x, this.weight(`${name}.weight`), { transposeWeight: true });
    const a = this.weights.get(`${name}.lora_A`);
    if (a === undefined) return logits;
    const low = linear(x, this.weight(`${name}.lora_B`), { transposeWeight: true });
    return linear(this.#scaled(low), a, { transposeWeight: true, residual: logits });
  }

  /** x [..., embd] → the same shape. */
  norm(name: string, x: tf.Tensor3D): tf.Tensor3D {
    return layerNorm(x, this.weight(`${name}.weight`), this.weights.get(`${name}.bias`));
  }

  /** x [..., in] → [..., out]: x W + b, and alpha / rank · (x A) B where the layer has LoRA. */
  linear(name: string, x: tf.Tensor3D): tf.Tensor3D {
    const main = linear(x, ...this.#product(name));
    const a = this.weights.get(`${name}.lora_A`);
    if (a === undefined) return main;
    return linear(this.#scaled(linear(x, a)), this.weight(`${name}.lora_B`), { residual: main });
  }

  /** qkv [batch, time, 3 · embd] → the same shape, queries and keys turned by their positions. */
  rotated(qkv: tf.Tensor3D): tf.Tensor3D {
    const { rotary: isRotary, n_head, rotary_base } = this.config;
    return isRotary ? rotary(qkv, n_head, rotary_base, this.#past?.first) : qkv;
  }

  /** qkv [batch, time, 3 · embd] → [batch, time, embd]. */
  attention(block: number, qkv: tf.Tensor3D): tf.Tensor3D {
    const { n_head } = this.config;
    return this.#past?.attend(block, qkv, n_head) ?? causalAttention(qkv, n_head, this.#nextMask(), this.#documents);
  }

  /** x [..., in] → [..., out], to be added: x W + b, of what the activation makes of x. */
  projection(name: string, x: tf.Tensor3D, activation?: GptConfig['activation']): Branch {
    return (residual) => {
      const [weight, more] = this.#product(name, residual);
      return activation === undefined ? linear(x, weight, more) : activationLinear(x, activation, weight, more);
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

  /** alpha / rank times a low-rank layer's middle [..., rank]. */
  #scaled<T extends tf.Tensor>(low: T): T {
    return tf.mul(low, this.config.lora_alpha / (low.shape.at(-1) ?? 1));
  }
}

function noMask(): undefined {
  // Nothing is dropped.
}
