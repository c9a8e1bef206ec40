import type { AdapterLayout, AdapterModule } from '../adapters/layout.js';

const EMBEDDING = 'model.embed_tokens';
const HEAD = 'lm_head';
/** A module name, with or without the prefix that models without a head lack. */
const MODULE =
  /^(?:model\.)?(embed_tokens|(layers\.\d+\.)(?:self_attn\.([qkv])_proj|self_attn\.o_proj|mlp\.(?:gate|up|down)_proj))$/;

/** LoRA of the Llama family: queries, keys and values share one here, but have one each in Hugging Face's models. */
export const llamaAdapters: AdapterLayout = {
  rankOptions: ['attn_lora_rank', 'output_lora_rank', 'mlp_lora_rank', 'embedding_lora_rank'],
  fanInFanOut: false,
  layerOf(module) {
    if (module === HEAD) return { module, layer: EMBEDDING, option: 'embedding_lora_rank' };
    const [, name, block = '', fused] = MODULE.exec(module) ?? [];
    if (name === undefined) return undefined;
    const own = `model.${name}`;
    const layer = fused === undefined ? own : `model.${block}self_attn.qkv_proj`;
    return { module: own, layer, option: optionOf(layer) };
  },
  modulesOf(layer, description) {
    const number = (key: string): number => Number(description[key]);
    const width = number('hidden_size');
    const linear = (name: string, outputs: number): AdapterModule => ({ name, kind: 'linear', outputs });
    if (layer === EMBEDDING) {
      const embedding: AdapterModule = { name: layer, kind: 'embedding', outputs: width };
      const head: AdapterModule = { name: HEAD, kind: 'head', outputs: number('vocab_size') };
      return description['tie_word_embeddings'] === true ? [embedding, head] : [embedding];
    }
    if (layer.endsWith('.qkv_proj')) {
      const headWidth = number('head_dim');
      const queries = number('num_attention_heads') * headWidth;
      const keys = number('num_key_value_heads') * headWidth;
      const named = (part: string): string => layer.replace('qkv_proj', `${part}_proj`);
      return [linear(named('q'), queries), linear(named('k'), keys), linear(named('v'), keys)];
    }
    const isIntoMlp = /\.(?:gate|up)_proj$/.test(layer);
    return [linear(layer, isIntoMlp ? number('intermediate_size') : width)];
  },
};

function optionOf(layer: string): string {
  if (layer.endsWith('.qkv_proj')) return 'attn_lora_rank';
  if (layer.endsWith('.o_proj')) return 'output_lora_rank';
  return layer === EMBEDDING ? 'embedding_lora_rank' : 'mlp_lora_rank';
}
