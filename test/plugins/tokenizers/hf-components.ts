/** Small definitions that together contain every component of a tokenizer.json with all its settings. */
export function componentTokenizers(): Record<string, object> {
  const made: Record<string, object> = {};
  for (const [name, normalizer] of Object.entries(normalizers)) made[`normalizer ${name}`] = pairs({ normalizer });
  for (const [name, pre] of Object.entries(preTokenizers))
    made[`pre-tokenizer ${name}`] = pairs({ pre_tokenizer: pre });
  for (const flag of ['single_word', 'lstrip', 'rstrip', 'normalized'])
    made[`added ${flag}`] = pairs({
      added_tokens: [added('cat', { [flag]: true }), added('<|a b|>', { [flag]: true })],
    });
  const marks = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
  const scores = ['<unk>', '▁', 'a', 'b', '▁a', 'ab', 'the', '▁the'].map((token, i) => [token, -i]);
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  return {
    ...made,
    'added spaces, without a decoder': pairs({ added_tokens: [added('<|a b|>')], decoder: undefined }),
    'without added tokens': pairs({ added_tokens: undefined }),
    'truncation and padding': pairs({
      truncation: { direction: 'Right', max_length: 4, strategy: 'LongestFirst', stride: 0 },
    }),
    'whole words first': pairs({ pre_tokenizer: { type: 'WhitespaceSplit' }, model: { ignore_merges: true } }),
    'pieces of words': pairs({
      model: { continuing_subword_prefix: '##', vocab: { a: 0, b: 1, '##b': 2, ab: 3 }, merges: [['a', '##b']] },
    }),
    'Llama 2': pairs({
      normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, toMarks] },
      model: {
        byte_fallback: true,
        fuse_unk: true,
        unk_token: '<unk>',
        vocab: ids(['<unk>', ...bytes, '▁', ...Array.from('abctheo'), '▁a', 'ab', 'th', 'the']),
        merges: ['▁ a', 'a b', 't h', 'th e'],
      },
    }),
    Unigram: {
      ...shell,
      pre_tokenizer: marks,
      decoder: marks,
      model: { type: 'Unigram', unk_id: 0, byte_fallback: false, vocab: scores },
    },
    'Unigram of bytes': {
      ...shell,
      model: {
        type: 'Unigram',
        unk_id: 0,
        byte_fallback: true,
        vocab: [...scores, ...bytes.map((byte) => [byte, -20])],
      },
    },
    WordPiece: {
      ...shell,
      normalizer: normalizers['Bert'],
      pre_tokenizer: { type: 'BertPreTokenizer' },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: ids(['[UNK]', 'the', 'cat', '##s', 'a', '##b', '##a', ...Array.from('bcdefgt,.!')]),
      },
    },
    WordLevel: {
      ...shell,
      pre_tokenizer: { type: 'WhitespaceSplit' },
      model: { type: 'WordLevel', unk_token: '<unk>', vocab: ids(['<pad>', '<unk>', 'the', 'cat', 'constructor']) },
    },
  };
}

const toMarks = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };

const normalizers: Record<string, object> = {
  ...Object.fromEntries(
    ['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents', 'Nmt'].map((type) => [type, { type }]),
  ),
  Strip: { type: 'Strip', strip_left: true, strip_right: true },
  Bert: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  'Replace of a dollar': { type: 'Replace', pattern: { String: 'a' }, content: '$1' },
  'Replace of runs': { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '▁' },
  'Replace of spaces': toMarks,
};

const split = (pattern: object, behavior: string, invert = false): object => ({
  type: 'Split',
  pattern,
  behavior,
  invert,
});
const byteLevel = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
const BEHAVIORS = ['Isolated', 'Removed', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'];
const LLAMA3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const preTokenizers: Record<string, object> = {
  ...Object.fromEntries(
    ['Whitespace', 'WhitespaceSplit', 'BertPreTokenizer', 'UnicodeScripts'].map((type) => [type, { type }]),
  ),
  ...Object.fromEntries(BEHAVIORS.map((behavior) => [`Split ${behavior}`, split({ String: ',' }, behavior)])),
  ...Object.fromEntries(
    BEHAVIORS.map((behavior) => [`Split of letters ${behavior}`, split({ Regex: '[a-z]+' }, behavior)]),
  ),
  ...Object.fromEntries(BEHAVIORS.map((behavior) => [`Punctuation ${behavior}`, { type: 'Punctuation', behavior }])),
  'Split inverted': split({ Regex: '[a-z]+' }, 'Removed', true),
  'Split as Llama 3': split({ Regex: LLAMA3 }, 'Isolated'),
  'Split atomic': split({ Regex: '(?>a|ab)c|[a-z]' }, 'Isolated'),
  'Split possessive': split({ Regex: 'a++a|a' }, 'Isolated'),
  'Split behind': split({ Regex: '(?<=a)b' }, 'Isolated'),
  Digits: { type: 'Digits', individual_digits: false },
  'Digits one by one': { type: 'Digits', individual_digits: true },
  CharDelimiterSplit: { type: 'CharDelimiterSplit', delimiter: 'a' },
  FixedLength: { type: 'FixedLength', length: 3 },
  ByteLevel: byteLevel,
  'Metaspace whole': { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false },
  'Metaspace split': { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
  Sequence: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Digits', individual_digits: true },
      { type: 'Punctuation', behavior: 'Isolated' },
      byteLevel,
    ],
  },
};

const shell = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
};

/** Byte pair encoding of characters; unknown ones are skipped, as in Hugging Face's library. */
function pairs({ model, ...rest }: Record<string, unknown>): object {
  const own = ids([
    ...Array.from('abcdefghijklmnopqrstuvwxyz ,.!<|>\n▁$1Ġ😀中文é'),
    'ab',
    'th',
    'the',
    ' t',
    '.\n',
    'a,',
    ',b',
    '!!',
    '▁a',
    '中文',
    'aa',
  ]);
  const merges = ['a b', 't h', 'th e', '. \n', 'a ,', ', b', '! !', '▁ a', '中 文', 'a a'];
  const base = {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    vocab: own,
    merges,
  };
  return { ...shell, ...rest, model: { ...base, ...(typeof model === 'object' ? model : {}) } };
}

function ids(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

function added(content: string, flags: object = {}): object {
  return {
    id: 1000,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: false,
    ...flags,
  };
}
