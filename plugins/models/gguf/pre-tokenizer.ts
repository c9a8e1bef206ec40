import { flat, type Component, type Definition } from '../../tokenizers/contract.js';
import { cannotRun, OTHER_TOKENIZER } from './model.js';

const LLAMA3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const CASED =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*';
const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
const PUNCTUATION = '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** How text is split before bytes become characters. Source: `llama-vocab.cpp` of llama.cpp. */
interface Known {
  readonly pre: string;
  readonly steps: readonly string[];
  /** True if a piece that is a token is encoded as that token, whatever the merges would make of it. */
  readonly ignoreMerges: boolean;
}

const GPT2 = 'ByteLevel';
const KNOWN: readonly Known[] = [
  { pre: 'gpt-2', steps: [GPT2], ignoreMerges: false },
  { pre: 'smollm', steps: ['Digits', GPT2], ignoreMerges: false },
  { pre: 'llama-bpe', steps: [LLAMA3], ignoreMerges: true },
  { pre: 'smaug-bpe', steps: [LLAMA3], ignoreMerges: false },
  { pre: 'qwen2', steps: [LLAMA3.replace('{1,3}', '')], ignoreMerges: false },
  { pre: 'tekken', steps: [`${CASED}|\\p{N}${PUNCTUATION}`], ignoreMerges: true },
  {
    pre: 'gpt-4o',
    steps: [`${CASED.replace('|', `${CONTRACTIONS}|`)}${CONTRACTIONS}|\\p{N}{1,3}${PUNCTUATION}`],
    ignoreMerges: false,
  },
  {
    pre: 'deepseek-v3',
    steps: [
      '\\p{N}{1,3}',
      '[一-龥\u3040-ゟ゠-ヿ]+',
      '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+',
    ],
    ignoreMerges: false,
  },
];

/**
 * Returns llama.cpp's name for how a tokenizer splits text. Its convert_hf_to_gguf.py recognizes known vocabularies by
 * the tokens of a test text; reading the definition works for any vocabulary.
 * @throws UsageError if llama.cpp has no name for it
 */
export function preTokenizer(definition: Definition): string {
  const { model, normalizer } = definition;
  if (model.type !== 'BPE' || model['byte_fallback'] === true)
    throw cannotRun(
      `export supports only byte-level BPE tokenizers, but this one is ${model.type ?? 'unknown'}${model['byte_fallback'] === true ? ' with byte fallback (SentencePiece’s)' : ''}`,
      OTHER_TOKENIZER,
    );
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix'])
    if ((model[key] ?? '') !== '') throw cannotRun(`has no ${key} in a BPE tokenizer`, OTHER_TOKENIZER);
  const normal = flat(normalizer, 'normalizers').find(({ type }) => type !== 'NFC');
  if (normal !== undefined)
    throw cannotRun(`does not normalize text, but the tokenizer has ${normal.type ?? 'a normalizer'}`, OTHER_TOKENIZER);
  const steps = stepsOf(definition);
  const ignoreMerges = model['ignore_merges'] === true;
  const known = KNOWN.find((each) => each.ignoreMerges === ignoreMerges && each.steps.join('\n') === steps.join('\n'));
  if (known === undefined)
    throw cannotRun(
      `does not support this tokenizer’s way of splitting text (pre_tokenizer ${steps.join(', ')})`,
      OTHER_TOKENIZER,
    );
  return known.pre;
}

/** Returns the steps before bytes become characters; includes `ByteLevel` if that splits with GPT-2's pattern. */
function stepsOf({ preTokenizer }: Definition): string[] {
  const components = flat(preTokenizer, 'pretokenizers');
  const last = components.at(-1);
  if (last?.type !== 'ByteLevel' || last['add_prefix_space'] === true)
    return [...components.map(stepOf), 'no ByteLevel at the end, without a space in front'];
  return [...components.slice(0, -1).map(stepOf), ...(last['use_regex'] === false ? [] : [GPT2])];
}

function stepOf({ type = 'unknown', pattern, ...rest }: Component): string {
  if (type === 'Digits') return rest['individual_digits'] === true ? type : 'Digits, not each by itself';
  const isolated =
    rest['behavior'] === 'Isolated'
      ? rest['invert'] !== true
      : rest['behavior'] === 'Removed' && rest['invert'] === true;
  if (type !== 'Split' || !isolated || typeof pattern !== 'object' || pattern === null) return type;
  const regex: unknown = Reflect.get(pattern, 'Regex');
  return typeof regex === 'string' ? regex : type;
}
