/** Llama 3's scaling of frequencies, so that a model reaches farther than the block that it was first trained on. */
export interface RotaryScaling {
  /** What the low frequencies are divided by. */
  factor: number;
  /** Turns within the first block up to which a frequency is low. */
  low_freq_factor: number;
  /** Turns within the first block from which on a frequency is high, and stays. */
  high_freq_factor: number;
  /** Positions of that block. */
  original_block_size: number;
}

const known = new Map<string, number[]>();

/**
 * The angle, in radians, by which a position turns each pair of a head's elements: headDim / 2 numbers. For the same
 * arguments it is the same list, which must not be changed.
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
