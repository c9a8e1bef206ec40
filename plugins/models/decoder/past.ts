import { tf } from '../../../core/index.js';
import {
  causalAttention,
  type HeadOptions,
  keepPositions,
  type KeptPositions,
  nextAttention,
} from '../../ops/contract.js';

/**
 * What attention needs of the positions that were computed before: their keys and values, by layer. Texts begin in the
 * same way and have one length.
 */
export class Past {
  #layers: KeptPositions[] = [];
  #length = 0;

  /**
   * @param texts that continue what they begin with
   * @param capacity most positions of a text
   */
  constructor(
    readonly texts: number,
    private readonly capacity: number,
  ) {}

  /** Position of the first id of the pass. */
  get first(): number {
    return this.#length;
  }

  /** Counts the positions of a pass that is over. */
  advance(positions: number): void {
    this.#length += positions;
  }

  /**
   * Attention of new positions to themselves and to those before.
   * @param qkv of what the texts begin with [1, time, (heads + 2 · keyValueHeads) · part], then [texts, 1, …]
   * @returns the same with a width of heads · part
   */
  attend(layer: number, qkv: tf.Tensor3D, heads: number, options: HeadOptions): tf.Tensor3D {
    const before = this.#layers[layer];
    if (before === undefined) {
      this.#layers[layer] = keepBoth(keepPositions(qkv, this.texts, this.capacity, { heads, ...options }));
      return causalAttention(qkv, heads, options);
    }
    const { y, after } = nextAttention(qkv, before, heads, this.#length, options);
    this.#layers[layer] = keepBoth(after);
    tf.dispose([before.keys, before.values]);
    return y;
  }

  dispose(): void {
    for (const { keys, values } of this.#layers) tf.dispose([keys, values]);
    this.#layers = [];
    this.#length = 0;
  }
}

function keepBoth({ keys, values }: KeptPositions): KeptPositions {
  return { keys: tf.keep(keys), values: tf.keep(values) };
}
