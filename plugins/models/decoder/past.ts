import { tf } from '../../../core/index.js';
import {
  causalAttention,
  type HeadOptions,
  keepPositions,
  type KeptPositions,
  nextAttention,
} from '../../ops/contract.js';

/** Key/value cache of the positions computed so far, by layer. All texts share the prompt and have equal length. */
export class Past {
  #layers: KeptPositions[] = [];
  #length = 0;

  /**
   * @param texts number of texts that continue the prompt
   * @param capacity maximum number of positions per text
   */
  constructor(
    readonly texts: number,
    private readonly capacity: number,
  ) {}

  /** Position of the first id of the pass. */
  get first(): number {
    return this.#length;
  }

  /** Counts the positions of a finished pass. */
  advance(positions: number): void {
    this.#length += positions;
  }

  /**
   * Computes attention of new positions to themselves and those before.
   * @param qkv of the prompt [1, time, (heads + 2 · keyValueHeads) · headDim], then [texts, 1, …]
   * @returns the same with a width of heads · headDim
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
