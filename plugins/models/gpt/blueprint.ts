import type { Architecture } from '../decoder/architecture.js';
import type { Blueprint } from '../decoder/blueprint.js';
import {
  INIT_DEVIATION,
  linearWeights,
  normWeights,
  tokenWeights,
  type DescribedWeight,
} from '../decoder/described.js';
import type { GptConfig } from './config.js';

/** Describes a GPT's weights, under Hugging Face's GPT-2 names. The output head is tied to `wte`. */
export function blueprintOf(config: GptConfig): Blueprint {
  const { n_embd: width, n_head: heads, block_size: block } = config;
  return {
    config,
    hidden: config.n_hidden ?? 4 * width,
    attended: width,
    head: 'wte',
    weights: (of) => weightsOf(config, of),
    kept: {
      least: (hidden) => 6 * width + hidden,
      most: (hidden) => 10 * width + 2 * hidden + heads * block,
    },
  };
}

function weightsOf(config: GptConfig, of: Architecture): DescribedWeight[] {
  const { n_embd: width, block_size: block, bias } = config;
  const positions: DescribedWeight = {
    ...{ name: 'transformer.wpe.weight', role: 'embedding', layer: 'wpe' },
    ...{ shape: [block, width], deviation: INIT_DEVIATION },
  };
  return [
    ...tokenWeights('transformer.wte', {
      ...{ role: 'embedding', layer: 'wte', vocabulary: of.vocab_size, width, rank: of.embedding_lora_rank },
    }),
    ...(config.rotary ? [] : [positions]),
    ...Array.from({ length: of.n_layer }, (_, depth) => blockWeights(config, of, depth)).flat(),
    ...normWeights('transformer.ln_f', { layer: 'ln_f', width, bias }),
  ];
}

function blockWeights({ n_embd: width, bias }: GptConfig, of: Architecture, depth: number): DescribedWeight[] {
  const at = `transformer.h.${String(depth)}`;
  const attn = { layer: 'attn', depth, bias };
  const mlp = { layer: 'mlp', depth, bias };
  const hidden = of.n_hidden;
  const residual = INIT_DEVIATION / Math.sqrt(2 * of.n_layer);
  const qkv = { from: width, to: 3 * width, parts: [width, width, width], rank: of.attn_lora_rank[depth] };
  return [
    ...normWeights(`${at}.ln_1`, { layer: 'ln_1', depth, width, bias }),
    ...linearWeights(`${at}.attn.c_attn`, { ...attn, ...qkv }),
    ...linearWeights(`${at}.attn.c_proj`, { ...attn, from: width, to: width, deviation: residual }),
    ...normWeights(`${at}.ln_2`, { layer: 'ln_2', depth, width, bias }),
    ...linearWeights(`${at}.mlp.c_fc`, { ...mlp, from: width, to: hidden, units: 'given' }),
    ...linearWeights(`${at}.mlp.c_proj`, { ...mlp, from: hidden, to: width, deviation: residual, units: 'read' }),
  ];
}
