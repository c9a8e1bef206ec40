import type { AdapterLayout } from '../adapters/layout.js';

const EMBEDDING = 'transformer.wte';
const HEAD = 'lm_head';
const PROJECTION = /^(?:transformer\.)?(h\.\d+\.attn\.c_attn)$/;

/** LoRA of GPT-2: on queries, keys and values, and on the embedding, which is also the head. */
export const gptAdapters: AdapterLayout = {
  rankOptions: ['attn_lora_rank', 'embedding_lora_rank'],
  fanInFanOut: true,
  layerOf(module) {
    if (module === HEAD) return { module, layer: EMBEDDING, option: 'embedding_lora_rank' };
    if (module === EMBEDDING || module === 'wte') {
      return { module: EMBEDDING, layer: EMBEDDING, option: 'embedding_lora_rank' };
    }
    const [, projection] = PROJECTION.exec(module) ?? [];
    if (projection === undefined) return undefined;
    const layer = `transformer.${projection}`;
    return { module: layer, layer, option: 'attn_lora_rank' };
  },
  modulesOf(layer, { n_embd, vocab_size }) {
    if (layer !== EMBEDDING) return [{ name: layer, kind: 'linear', outputs: 3 * Number(n_embd) }];
    return [
      { name: EMBEDDING, kind: 'embedding', outputs: Number(n_embd) },
      { name: HEAD, kind: 'head', outputs: Number(vocab_size) },
    ];
  },
};
