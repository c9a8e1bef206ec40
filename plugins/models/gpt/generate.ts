import { tf, type GenerateOptions } from '../../../core/index.js';
import { causalAttention } from '../../ops/contract.js';

/**
 * Continues a prompt token by token; the context is cropped to its last `blockSize` tokens.
 * @param lastLogits ids → logits [vocab] of the token after them
 */
export function generate(
  prompt: readonly number[],
  blockSize: number,
  options: GenerateOptions,
  lastLogits: (ids: readonly number[]) => Float32Array,
): number[] {
  const ids = [...prompt];
  for (let i = 0; i < options.maxNewTokens; i++) {
    const id = choose(lastLogits(ids.slice(-blockSize)), options);
    ids.push(id);
    options.onToken?.(id);
  }
  return ids.slice(prompt.length);
}

/** Draws an id from softmax(logits / temperature) over the `topK` largest. */
function choose(logits: Float32Array, { temperature, topK, random }: GenerateOptions): number {
  const largest = logits.reduce((best, logit, id) => (logit > (logits[best] ?? -Infinity) ? id : best), 0);
  if (temperature === 0) return largest;
  const limit =
    topK > 0 && topK < logits.length ? (Float32Array.from(logits).sort().at(-topK) ?? -Infinity) : -Infinity;
  const top = logits[largest] ?? 0;
  const shares = Array.from(logits, (logit) => (logit < limit ? 0 : Math.exp((logit - top) / temperature)));
  let left = random() * shares.reduce((sum, share) => sum + share, 0);
  for (const [id, share] of shares.entries()) {
    left -= share;
    if (left < 0) return id;
  }
  return largest;
}

/**
 * What attention needs of the tokens that were computed before: their keys and values, so that the next token costs one
 * position and not all of them. For one text.
 */
export class Past {
  #ids: readonly number[] = [];
  #first = 0;
  /** Of each layer, keys and values [time, width]. */
  #layers: { readonly keys: tf.Tensor2D; readonly values: tf.Tensor2D }[] = [];

  /** Position of the first id that is computed now. */
  get first(): number {
    return this.#first;
  }

  /**
   * The ids of a context that are to be computed: the last one, where the others are those of the context before, and
   * else all. They count as known from now on.
   */
  advance(context: readonly number[]): readonly number[] {
    const { length } = this.#ids;
    const goesOn = length > 0 && context.length === length + 1 && this.#ids.every((id, at) => id === context[at]);
    if (!goesOn) this.dispose();
    this.#first = goesOn ? length : 0;
    this.#ids = context;
    return context.slice(this.#first);
  }

  /**
   * Attention of new positions to themselves and to those before.
   * @param qkv [1, time, 3 · width]; a time of 1 unless nothing is known yet
   * @returns [1, time, width]
   */
  attend(layer: number, qkv: tf.Tensor3D, heads: number): tf.Tensor3D {
    const [, time, threeWidths] = qkv.shape;
    const width = threeWidths / 3;
    const part = (third: number): tf.Tensor2D =>
      tf.reshape(tf.slice(qkv, [0, 0, third * width], [1, time, width]), [time, width]);
    const before = this.#layers[layer];
    const grown = (rows: tf.Tensor2D | undefined, more: tf.Tensor2D): tf.Tensor2D =>
      tf.keep(rows === undefined ? tf.clone(more) : tf.concat([rows, more]));
    const [keys, values] = [grown(before?.keys, part(1)), grown(before?.values, part(2))];
    tf.dispose(before ?? []);
    this.#layers[layer] = { keys, values };
    if (before === undefined) return causalAttention(qkv, heads);
    return tf.reshape(oneAttends(part(0), keys, values, heads), [1, 1, width]);
  }

  dispose(): void {
    tf.dispose(this.#layers);
    this.#layers = [];
    this.#ids = [];
  }
}

/**
 * Attention of one position. Heads stand side by side in the rows of keys and values: each is told from the others by
 * zeros in their places, which costs less than taking them apart.
 * @param query [1, width]
 * @returns [1, width]
 */
function oneAttends(query: tf.Tensor2D, keys: tf.Tensor2D, values: tf.Tensor2D, heads: number): tf.Tensor {
  const [, width] = query.shape;
  const part = width / heads;
  const own = Float32Array.from({ length: heads * width }, (_, i) =>
    Math.floor((i % width) / part) === Math.floor(i / width) ? 1 : 0,
  );
  const places = tf.tensor2d(own, [heads, width]);
  const queries = tf.mul(tf.mul(query, places), 1 / Math.sqrt(part));
  const weights = tf.softmax(tf.matMul(queries, keys, false, true));
  return tf.sum(tf.mul(tf.matMul(weights, values), places), 0);
}
