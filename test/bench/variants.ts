import { ours } from './contestants.js';
import type { Shape } from './shapes.js';
import { median } from './statistics.js';

export interface VariantResult {
  readonly name: string;
  readonly milliseconds: number;
}

const ROUNDS = 5;
const STEPS = 4;

/** Options added to a step of the same shape. */
const variants: Readonly<Record<string, Variant>> = {
  plain: {},
  'four documents a row': { shape: { documents: 4 } },
  'rotary positions': { settings: ['model.rotary=true'] },
  'LoRA of rank 8 on queries, keys and values': { settings: ['model.attn_lora_rank=8'] },
  'that, and on the embedding': { settings: ['model.attn_lora_rank=8', 'model.embedding_lora_rank=8'] },
  'LoRA of rank 8 alone trained': { settings: ['model.attn_lora_rank=8', 'model.trained=lora'] },
  'embeddings alone trained': { settings: ['model.trained=embeddings'] },
};

interface Variant {
  readonly settings?: readonly string[];
  readonly shape?: Partial<Shape>;
}

/** Measures steps of the native engine with each option, in turns. */
export async function measureVariants(shape: Shape, say: (line: string) => void): Promise<VariantResult[]> {
  const names = Object.keys(variants);
  const contestants = [];
  for (const { settings, shape: own } of Object.values(variants))
    contestants.push(await ours('native', { ...shape, ...own }, settings));
  const times = names.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    say(`model: round ${String(round + 1)} of ${String(ROUNDS)}`);
    for (const [i, contestant] of contestants.entries()) {
      const answer = await contestant.ask({ steps: STEPS });
      // The first step allocates.
      times[i]?.push(...(round === 0 ? answer.times.slice(1) : answer.times));
    }
  }
  await Promise.all(contestants.map((contestant) => contestant.stop()));
  return names.map((name, i) => ({ name, milliseconds: median(times[i] ?? []) }));
}
