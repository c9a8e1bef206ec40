import { UsageError } from '../../../core/index.js';
import type { GrowthStep } from '../../growth/contract.js';
import { hasLora, RANKED, type Architecture } from './architecture.js';
import type { Blueprint } from './blueprint.js';

/** Returns the shape that the config describes. */
export function architectureOf({ config, hidden }: Blueprint, vocabSize: number): Architecture {
  const inEachBlock = (rank?: number): number[] => (rank === undefined ? [] : blocks(config.n_layer).map(() => rank));
  return {
    n_layer: config.n_layer,
    n_hidden: hidden,
    vocab_size: vocabSize,
    attn_lora_rank: inEachBlock(config.attn_lora_rank),
    output_lora_rank: inEachBlock(config.output_lora_rank),
    mlp_lora_rank: inEachBlock(config.mlp_lora_rank),
    embedding_lora_rank: config.embedding_lora_rank,
    frozen: [],
    trained: config.trained,
  };
}

/** Returns the shape after a growth step. @throws UsageError if the step is impossible for this shape */
export function plannedArchitecture(blueprint: Blueprint, from: Architecture, step: GrowthStep): Architecture {
  const { config } = blueprint;
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
      return ranked(blueprint, from, step.layer, step.rank);
    case 'merge_lora':
      if (hasLora(from)) return from;
      throw impossible('no layer has LoRA there: there is nothing to merge');
    case 'resize_vocabulary': {
      const over = step.rows.find((row) => row >= from.vocab_size);
      if (over !== undefined && from.vocab_size > 0) {
        throw impossible(`token ${String(over)} is not below the vocabulary of ${String(from.vocab_size)} there`);
      }
      return { ...from, vocab_size: step.rows.length };
    }
    case 'freeze': {
      const layer = checkedLayer(blueprint, from, step.layer);
      const others = from.frozen.filter((name) => name !== layer);
      return { ...from, frozen: step.frozen ? [...others, layer].sort() : others };
    }
    case 'embeddings_only':
      return { ...from, trained: step.on ? 'embeddings' : config.trained === 'embeddings' ? 'all' : config.trained };
  }
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
  const stackedRanks = (before: readonly number[]): number[] =>
    before.length === 0 ? [] : layers.map((source) => before[source] ?? 0);
  return {
    ...from,
    n_layer: layers.length,
    attn_lora_rank: stackedRanks(from.attn_lora_rank),
    output_lora_rank: stackedRanks(from.output_lora_rank),
    mlp_lora_rank: stackedRanks(from.mlp_lora_rank),
    frozen: [...from.frozen.filter((name) => !/\.\d+$/.test(name)), ...frozen].sort(),
  };
}

/** @param layer `attn.N`, `attn` for every block, or `wte` */
function ranked({ config }: Blueprint, from: Architecture, layer: string, rank: number): Architecture {
  const most = config.n_embd;
  if (rank > most) throw impossible(`rank ${String(rank)} is over the width, ${String(most)}`);
  if (layer === 'wte') return { ...from, embedding_lora_rank: rank };
  const there = RANKED.filter(([, key]) => config[key] !== undefined);
  for (const [part, key] of there) {
    const chosen = blocks(from.n_layer).filter((block) => layer === part || layer === `${part}.${String(block)}`);
    if (chosen.length === 0) continue;
    return { ...from, [key]: from[key].map((before, block) => (chosen.includes(block) ? rank : before)) };
  }
  const last = String(from.n_layer - 1);
  const all = there.map(([part]) => `${part}.0 to ${part}.${last}`).join(', ');
  throw impossible(`layer "${layer}" can have no LoRA there: it is for ${all}, and wte`);
}

/** Returns the layer's canonical name. */
function checkedLayer(blueprint: Blueprint, of: Architecture, layer: string): string {
  const layers = [...new Set(blueprint.weights(of).map((weight) => weight.layer))];
  if (layers.includes(layer)) return layer;
  // A tied head is the token embedding.
  if (layer === 'lm_head') return 'wte';
  const single = [...layers.filter((name) => !name.includes('.') && name !== 'lm_head'), 'lm_head'].join(', ');
  const ofBlocks = layers.filter((name) => name.endsWith('.0')).map((name) => name.replace(/0$/, 'N'));
  throw impossible(
    `there is no layer "${layer}" there: it has ${single}, and ${ofBlocks.join(', ')} with N from 0 to ${String(of.n_layer - 1)}`,
  );
}

function blocks(count: number): number[] {
  return Array.from({ length: count }, (_, block) => block);
}

function impossible(what: string): UsageError {
  return new UsageError('ESP_GROWTH', what);
}
