import type { RandomStream } from '../../../core/index.js';
import { SumTree } from './sum-tree.js';

/** A window that was drawn, and the weight that corrects for its probability. */
export interface DrawnWindow {
  readonly window: number;
  readonly weight: number;
}

export interface SamplerOptions {
  /** Share of windows drawn uniformly, above 0. */
  readonly uniform: number;
  /** Weight of the previous estimate in a new one. */
  readonly memory: number;
  /** Estimate for a window that was not measured yet. */
  readonly first: number;
}

/** Stored in place of the loss of a window that was not measured yet. */
const UNKNOWN = -1;

/**
 * Draws windows in proportion to their estimated losses, mixed with uniform draws: p = uniform / N + (1 - uniform) ·
 * loss / sum of losses. Weighted by 1 / (N p), a drawn window's loss has the mean over all windows as its expectation.
 */
export class Sampler {
  readonly #tree: SumTree;

  /** @param losses estimates by window, negative if not measured; updated in place */
  constructor(
    readonly losses: Float32Array,
    private readonly options: SamplerOptions,
  ) {
    const { first } = options;
    this.#tree = new SumTree(losses.map((loss) => (loss < 0 ? first : loss)));
  }

  /** Returns estimates for windows none of which was measured. */
  static unknown(windows: number): Float32Array {
    return new Float32Array(windows).fill(UNKNOWN);
  }

  /** Returns the probability of a window in one draw. */
  shareOf(window: number): number {
    const { uniform } = this.options;
    const { total } = this.#tree;
    const even = 1 / this.losses.length;
    return total > 0 ? uniform * even + ((1 - uniform) * this.#tree.get(window)) / total : even;
  }

  draw(random: RandomStream): DrawnWindow {
    const isUniform = random.float() < this.options.uniform || this.#tree.total === 0;
    const window = isUniform ? random.below(this.losses.length) : this.#tree.find(random.float());
    return { window, weight: 1 / (this.losses.length * this.shareOf(window)) };
  }

  /** Updates the estimate of a window with its measured loss. */
  measured(window: number, loss: number): void {
    const { memory } = this.options;
    const before = this.losses[window] ?? UNKNOWN;
    this.losses[window] = before < 0 ? loss : memory * before + (1 - memory) * loss;
    this.#tree.set(window, this.losses[window] ?? 0);
  }
}
