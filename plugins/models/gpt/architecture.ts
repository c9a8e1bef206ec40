import { z } from 'zod';
import { UsageError } from '../../../core/index.js';
import type { GrowthStep } from '../../growth/contract.js';
import type { GptConfig } from './config.js';

const count = z.int().min(0);

/** The shape of a model: what the config says at first, then what steps made of it. */
export const architectureSchema = z.strictObject({
  n_layer: z.int().min(1),
  n_hidden: z.int().min(1),
  vocab_size: count,
  /** By block. */
  attn_lora_rank: z.array(count),
  embedding_lora_rank: count,
  /** Names of layers. */
  frozen: z.array(z.string()),
  trained: z.enum(['all', 'lora', 'embeddings']),
});
export type Architecture = z.output<typeof architectureSchema>;

export function architectureOf(config: GptConfig, vocabSize: number): Architecture {
  return {
    n_layer: config.n_layer,
    n_hidden: config.n_hidden ?? 4 * config.n_embd,
    vocab_size: vocabSize,
    attn_lora_rank: new Array<number>(config.n_layer).fill(config.attn_lora_rank),
    embedding_lora_rank: config.embedding_lora_rank,
    frozen: [],
    trained: config.trained,
  };
}

/** What a step makes of a shape. @throws UsageError when it is impossible there */
export function plannedArchitecture(config: GptConfig, from: Architecture, step: GrowthStep): Architecture {
  switch (step.kind) {
    case 'stack_layers':
      return stacked(from, step.layers);
    case 'widen_mlp':
      if (step.hidden <= from.n_hidden) {
        throw impossible(
          `the MLP is ${String(from.n_hidden)} wide there: give more than that, not ${String(step.hidden)}`,
        );
      }
      return { ...from, n_hidden: step.hidden };
    case 'set_lora_rank':
      return ranked(config, from, step.layer, step.rank);
    case 'merge_lora':
      if (from.embedding_lora_rank > 0 || from.attn_lora_rank.some((rank) => rank > 0)) return from;
      throw impossible('no layer has LoRA there: there is nothing to merge');
    case 'resize_vocabulary': {
      const over = step.rows.find((row) => row >= from.vocab_size);
      if (over !== undefined && from.vocab_size > 0) {
        throw impossible(`token ${String(over)} is not below the vocabulary of ${String(from.vocab_size)} there`);
      }
      return { ...from, vocab_size: step.rows.length };
    }
    case 'freeze': {
      const layer = checkedLayer(config, from, step.layer);
      const others = from.frozen.filter((name) => name !== layer);
      return { ...from, frozen: step.frozen ? [...others, layer].sort() : others };
    }
    case 'embeddings_only':
      return { ...from, trained: step.on ? 'embeddings' : config.trained === 'embeddings' ? 'all' : config.trained };
  }
}

/** The weights' names that a layer's begin with. */
export function prefixOf(layer: string): string {
  const [part = '', block] = layer.split('.');
  return block === undefined ? `transformer.${part}.` : `transformer.h.${block}.${part}.`;
}

function stacked(from: Architecture, layers: readonly number[]): Architecture {
  const wrong = layers.find((layer) => layer >= from.n_layer);
  if (wrong !== undefined) {
    throw impossible(`there is no layer ${String(wrong)} there: the model has 0 to ${String(from.n_layer - 1)}`);
  }
  const frozen = layers.flatMap((source, block) =>
    from.frozen
      .filter((name) => name.endsWith(`.${String(source)}`))
      .map((name) => name.replace(/\d+$/, String(block))),
  );
  return {
    ...from,
    n_layer: layers.length,
    attn_lora_rank: layers.map((source) => from.attn_lora_rank[source] ?? 0),
    frozen: [...from.frozen.filter((name) => !/\.\d+$/.test(name)), ...frozen].sort(),
  };
}

function ranked(config: GptConfig, from: Architecture, layer: string, rank: number): Architecture {
  const most = config.n_embd;
  if (rank > most) throw impossible(`rank ${String(rank)} is over the width, ${String(most)}`);
  if (layer === 'wte') return { ...from, embedding_lora_rank: rank };
  const block = layer === 'attn' ? undefined : Number(/^attn\.(\d+)$/.exec(layer)?.[1] ?? NaN);
  if (block !== undefined && !(block < from.n_layer)) {
    const last = String(from.n_layer - 1);
    throw impossible(`layer "${layer}" can have no LoRA there: it is for attn.0 to attn.${last}, and wte`);
  }
  return {
    ...from,
    attn_lora_rank: from.attn_lora_rank.map((before, at) => (block === undefined || at === block ? rank : before)),
  };
}

/** The layer under the one name that it has. */
function checkedLayer(config: GptConfig, { n_layer }: Architecture, layer: string): string {
  // The head is the token embedding.
  if (layer === 'lm_head') return 'wte';
  const single = config.rotary ? ['wte', 'ln_f'] : ['wte', 'wpe', 'ln_f'];
  const [part = '', block = ''] = layer.split('.');
  if (single.includes(layer)) return layer;
  if (['attn', 'mlp', 'ln_1', 'ln_2'].includes(part) && /^\d+$/.test(block) && Number(block) < n_layer) return layer;
  throw impossible(
    `there is no layer "${layer}" there: it has ${single.join(', ')}, lm_head, and attn.N, mlp.N, ln_1.N, ln_2.N with N from 0 to ${String(n_layer - 1)}`,
  );
}

function impossible(what: string): UsageError {
  return new UsageError('ESP_GROWTH', what);
}
