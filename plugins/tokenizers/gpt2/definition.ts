import { vocabulary, type Vocabulary } from './vocabulary.js';

/**
 * The bytes that GPT-2 writes as themselves; others are mapped to the characters from 256 on. Source: OpenAI's
 * `bytes_to_unicode`.
 */
const PRINTED: readonly (readonly [number, number])[] = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
];

/** Returns GPT-2's tokenizer as Hugging Face's `tokenizer.json`. */
export function gpt2Definition(endOfText: string): string {
  const words = vocabulary();
  const characters = byteCharacters();
  const shown = (bytes: string): string => Array.from(bytes, (byte) => characters[byte.charCodeAt(0)]).join('');
  const end = words.tokens.length;
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const vocab = Object.fromEntries(words.tokens.map((token, id) => [shown(token), id]));
  return JSON.stringify({
    version: '1.0',
    added_tokens: [
      {
        id: end,
        content: endOfText,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: true,
        special: true,
      },
    ],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: { ...byteLevel, trim_offsets: false },
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      vocab: { ...vocab, [endOfText]: end },
      merges: merges(words).map(([left, right]) => [shown(left), shown(right)]),
    },
  });
}

function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(PRINTED.some(([first, last]) => byte >= first && byte <= last) ? byte : next++),
  );
}

/**
 * Returns the pair that merges into each token of several bytes: the two parts that remain after all earlier merges.
 */
function merges({ tokens, ids }: Vocabulary): (readonly [string, string])[] {
  return tokens.flatMap((token, id) => {
    if (token.length === 1) return [];
    const parts = Array.from(token);
    while (parts.length > 2) {
      let first = 0;
      let lowest = Infinity;
      for (let at = 0; at + 1 < parts.length; at++) {
        const rank = ids.get(`${parts[at] ?? ''}${parts[at + 1] ?? ''}`) ?? Infinity;
        if (rank < lowest) [first, lowest] = [at, rank];
      }
      if (lowest >= id) throw new Error(`GPT-2's token ${String(id)} is made by no merge`);
      parts.splice(first, 2, `${parts[first] ?? ''}${parts[first + 1] ?? ''}`);
    }
    const [left = '', right = ''] = parts;
    return [[left, right]];
  });
}
