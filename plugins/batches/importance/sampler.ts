import type { RandomStream } from '../../../core/index.js';
import { SumTree } from './sum-tree.js';

/** A window that was drawn, and the weight that makes up for how often it is. */
export interface DrawnWindow {
  readonly window: number;
  readonly weight: number;
}

export interface SamplerOptions {
  /** Share of windows that are drawn uniformly, above 0. */
  readonly uniform: number;
  /** Share of the previous estimate in a new one. */
  readonly memory: number;
  /** Estimate of a window that was not measured yet. */
  readonly first: number;
}

/** Loss of a window that was not measured yet. */
const UNKNOWN = -1;

/**
 * Draws windows by estimates of their losses, mixed with uniform: p = uniform / N + (1 - uniform) · loss / sum of losses.
 * Weighted by 1 / (N p), a drawn window's loss has the mean over all windows as its expectation.
 */
export class Sampler {
  readonly #tree: SumTree;

  /** @param losses estimates by window, negative if there is none; updated in place */
  constructor(
    readonly losses: Float32Array,
    private readonly options: SamplerOptions,
  ) {
    const { first } = options;
    this.#tree = new SumTree(losses.map((loss) => (loss < 0 ? first : loss)));
  }

  /** Estimates of windows of which none was measured. */
  static unknown(windows: number): Float32Array {
    return new Float32Array(windows).fill(UNKNOWN);
  }

  /** Probability of a window in one draw. */
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

  /** Notes the loss of a window that was trained on. */
  measured(window: number, loss: number): void {
    const { memory } = this.options;
    const before = this.losses[window] ?? UNKNOWN;
    this.losses[window] = before < 0 ? loss : memory * before + (1 - memory) * loss;
    this.#tree.set(window, this.losses[window] ?? 0);
  }
}
