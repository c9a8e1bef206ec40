import { z } from 'zod';
import { readDefinition, type Definition, type TokenizerJson } from '../../tokenizers/contract.js';
import { bool, cannotRun, string, uint32 } from './model.js';
import type { GgufValue } from './container.js';
import { preTokenizer } from './pre-tokenizer.js';
import { specialTokens } from './special-tokens.js';

/** Source: `llama_token_type` of llama.cpp. */
const TYPES = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;

const merges = z.array(z.union([z.string(), z.tuple([z.string(), z.string()]).transform(joined)]));

/**
 * Returns the tokenizer's metadata under the keys that llama.cpp's convert_hf_to_gguf.py writes.
 * @param vocabSize the model's; tokens that the tokenizer lacks are marked unused
 * @param config the model's, which may name ids of special tokens
 * @throws UsageError for a tokenizer that llama.cpp does not support
 */
export function tokenizerMetadata(
  tokenizer: TokenizerJson,
  vocabSize: number,
  config: Readonly<Record<string, unknown>>,
): Map<string, GgufValue> {
  const definition = readDefinition(tokenizer.definition, 'the tokenizer.json');
  const pre = preTokenizer(definition);
  const { tokens, types } = vocabularyOf(definition, vocabSize);
  const { ids, adds } = specialTokens(definition, tokenizer.config, config);
  return new Map([
    ['model', string('gpt2')],
    ['pre', string(pre)],
    ['tokens', { type: 'strings', value: tokens }],
    ['token_type', { type: 'int32s', value: types }],
    ['merges', { type: 'strings', value: merges.parse(definition.model['merges']) }],
    ...[...ids].map(([kind, id]) => [ID_KEYS[kind] ?? `${kind}_token_id`, uint32(id)] as const),
    ...(ADDS_BOS.has(pre) ? [['add_bos_token', bool(false)] as const] : []),
    ...[...adds].map(([kind, isAdded]) => [`add_${kind}_token`, bool(isAdded)] as const),
  ]);
}

/** These add a token in front of a text unless the file says otherwise. Source: `llama-vocab.cpp` of llama.cpp. */
const ADDS_BOS = new Set(['llama-bpe', 'tekken']);

/** Keys that are not `KIND_token_id`. */
const ID_KEYS: Readonly<Record<string, string>> = {
  unk: 'unknown_token_id',
  sep: 'seperator_token_id',
  pad: 'padding_token_id',
};

function vocabularyOf(definition: Definition, vocabSize: number): { tokens: string[]; types: number[] } {
  const tokens = Array.from({ length: vocabSize }, (_, id) => `[PAD${String(id)}]`);
  const types = Array.from({ length: vocabSize }, (): number => TYPES.unused);
  const put = (id: number, token: string, type: number): void => {
    if (id >= vocabSize)
      throw cannotRun(
        `needs an embedding row for each token, but the tokenizer's ${JSON.stringify(token)} has the id ${String(id)} and the model has ${String(vocabSize)} rows`,
        'train with model.vocab_size of at least the tokenizer’s',
      );
    tokens[id] = token;
    types[id] = type;
  };
  for (const [token, id] of definition.tokens()) put(id, token, TYPES.normal);
  for (const { content, id, special } of definition.added) {
    if (special === true || looksSpecial(content)) put(id, content, TYPES.control);
    else put(id, content.replaceAll('▁', ' '), TYPES.userDefined);
  }
  return { tokens, types };
}

/** Source: `does_token_look_special` of convert_hf_to_gguf.py. */
function looksSpecial(token: string): boolean {
  if (['<pad>', '<mask>', '<2mass>', '[@BOS@]'].includes(token)) return true;
  return /^<\|.*\|>$|^<｜.*｜>$|^<unused.*>$/s.test(token);
}

/** Parts are separated by a space, so a space within one is written as its byte's character. */
function joined(pair: readonly [string, string]): string {
  return pair.map((part) => part.replaceAll(' ', 'Ġ')).join(' ');
}
