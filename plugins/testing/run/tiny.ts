import type { RunSettings } from '../../../core/index.js';

/** Enough letters and repetition for a tiny model. */
export const tinyText = 'the quick brown fox jumps over the lazy dog. '.repeat(40);

/** A run of milliseconds: one block of 16 channels, with dropout, so that random streams matter. */
export function tinySettings({
  iterations,
  seed,
}: {
  readonly iterations: number;
  readonly seed: number;
}): RunSettings {
  return {
    seed,
    engine: 'auto',
    precision: 'f32',
    // Starting a thread for a few batches would take longer than everything else.
    batches: { prefetch: 0 },
    model: { n_layer: 1, n_head: 2, n_embd: 16, block_size: 8, dropout: 0.1 },
    train: { max_iters: iterations, batch_size: 2 },
    lr: { warmup_iters: 2 },
    plugins: { evaluation: { interval: 3, iters: 1 }, checkpoint: {}, signals: {} },
  };
}

/** Merges settings: sections key by key, everything else as a whole. */
export function merged(base: RunSettings, over: RunSettings): RunSettings {
  return mergedSections(base, over);
}

function mergedSections(base: Section, over: Section): Section {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = result[key];
    // Options of the previous batch strategy do not apply to another one.
    const adds = isSection(before) && isSection(value) && !('strategy' in value);
    result[key] = adds ? mergedSections(before, value) : value;
  }
  return result;
}

type Section = Readonly<Record<string, unknown>>;

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
