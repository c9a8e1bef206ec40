/** Llama 3's scaling of frequencies, which extends a model beyond the block size it was first trained with. */
export interface RotaryScaling {
  /** Divides the low frequencies. */
  factor: number;
  /** A frequency with at most this many turns in the original block is low. */
  low_freq_factor: number;
  /** A frequency with at least this many turns in the original block is high, and stays unchanged. */
  high_freq_factor: number;
  /** The original block size. */
  original_block_size: number;
}

const known = new Map<string, number[]>();

/**
 * Returns the angle in radians by which one position rotates each pair of a head's elements: headDim / 2 numbers. Equal
 * arguments return the same list, which must not be changed.
 * Sources: Su et al., "RoFormer", 2021, section 3.2.2; with `scaling`, transformers 5, `_compute_llama3_parameters` of
 * `modeling_rope_utils.py`.
 * @param headDim an even number
 */
export function rotaryFrequencies(headDim: number, base: number, scaling: RotaryScaling | null = null): number[] {
  const key = JSON.stringify([headDim, base, scaling]);
  const before = known.get(key);
  if (before !== undefined) return before;
  const half = headDim / 2;
  const plain = Array.from({ length: half }, (_, i) => Math.fround(base ** (-i / half)));
  const made = scaling === null ? plain : plain.map((frequency) => scaled(frequency, scaling));
  known.set(key, made);
  return made;
}

function scaled(
  frequency: number,
  { factor, low_freq_factor, high_freq_factor, original_block_size }: RotaryScaling,
): number {
  const turns = (original_block_size * frequency) / (2 * Math.PI);
  if (turns < low_freq_factor) return Math.fround(frequency / factor);
  if (turns > high_freq_factor) return frequency;
  const high = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
  return Math.fround((1 - high) * (frequency / factor) + high * frequency);
}
