import type { TokenizerState } from '../../../core/index.js';

/** A tokenizer in the format of Hugging Face's libraries. */
export interface TokenizerJson {
  /** The text of a `tokenizer.json`. */
  readonly definition: string;
  /** Its special tokens, as `tokenizer_config.json` names them. */
  readonly config: { readonly bos_token?: string; readonly eos_token?: string };
}

const GPT2_END = '<|endoftext|>';

/** Returns a tokenizer's state as a `tokenizer.json`; undefined if Hugging Face's tokenizers cannot express it. */
export async function tokenizerJson(state: TokenizerState): Promise<TokenizerJson | undefined> {
  if (state.tokenizer === 'gpt2') {
    const { gpt2Definition } = await import('../gpt2/definition.js');
    return { definition: gpt2Definition(GPT2_END), config: { bos_token: GPT2_END, eos_token: GPT2_END } };
  }
  const { storedDefinition } = await import('../hf/stored.js');
  const stored = storedDefinition(state);
  if (stored === undefined) return undefined;
  const { definition, endOfText } = stored;
  return { definition, config: endOfText === undefined ? {} : { eos_token: endOfText } };
}
