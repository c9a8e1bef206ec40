import test from 'ava';
import { tokenizerMetadata } from '../../../../plugins/models/gguf/vocabulary.js';
import { tokenizerJson } from '../../../../plugins/tokenizers/contract.js';

const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, use_regex: true };
const LLAMA3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const SPLIT = { type: 'Split', pattern: { Regex: LLAMA3 }, behavior: 'Isolated', invert: false };
const CUT = { type: 'Sequence', pretokenizers: [SPLIT, { ...BYTE_LEVEL, use_regex: false }] };

interface Parts {
  readonly model?: Record<string, unknown>;
  readonly [part: string]: unknown;
}

/** The metadata of the tokenizer `a b ab` with these special tokens, for a model of 8 tokens. */
function metadataOf({ model, ...parts }: Parts, config: Record<string, string> = {}): Record<string, unknown> {
  const definition = JSON.stringify({
    pre_tokenizer: BYTE_LEVEL,
    ...parts,
    model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: [['a', 'b']], ...model },
  });
  const metadata = tokenizerMetadata({ definition, config }, 8, {});
  return Object.fromEntries([...metadata].map(([key, { value }]) => [key, value]));
}

const added = (id: number, content: string, special = true): unknown => ({ id, content, special });

test('tokens are listed by id with their kinds, and ids without a token are marked unused', (t) => {
  const { tokens, token_type, merges, pre } = metadataOf({
    model: { merges: ['a b', [' ', 'b']] },
    added_tokens: [added(4, '<s>'), added(5, 'a▁b', false), added(6, '<|im_end|>', false)],
  });
  t.deepEqual(tokens, ['a', 'b', 'ab', '[PAD3]', '<s>', 'a b', '<|im_end|>', '[PAD7]']);
  t.deepEqual(token_type, [1, 1, 1, 5, 3, 4, 3, 5]);
  t.deepEqual(merges, ['a b', 'Ġ b']);
  t.is(pre, 'gpt-2');
});

test('the pre-tokenizer is recognized from the definition, for any vocabulary', (t) => {
  const nameOf = (parts: Parts): unknown => metadataOf(parts)['pre'];
  const digits = { type: 'Digits', individual_digits: true };
  t.is(nameOf({ pre_tokenizer: { type: 'Sequence', pretokenizers: [digits, BYTE_LEVEL] } }), 'smollm');
  t.is(nameOf({ pre_tokenizer: CUT, model: { ignore_merges: true } }), 'llama-bpe');
  t.is(nameOf({ pre_tokenizer: CUT }), 'smaug-bpe');
  const refused = (parts: Parts, message: RegExp): void => {
    t.throws(() => nameOf(parts), { code: 'ESP_CHECKPOINT_GGUF', message });
  };
  refused({ model: { type: 'Unigram' } }, /this one is Unigram: train again with data\.tokenizer: gpt2/);
  refused({ model: { byte_fallback: true } }, /BPE with byte fallback/);
  refused({ model: { end_of_word_suffix: '</w>' } }, /has no end_of_word_suffix/);
  refused({ normalizer: { type: 'Lowercase' } }, /does not normalize text, but the tokenizer has Lowercase/);
  refused(
    { pre_tokenizer: { ...BYTE_LEVEL, add_prefix_space: true } },
    /does not support this tokenizer’s way of splitting text/,
  );
  refused({ pre_tokenizer: { type: 'Whitespace' } }, /pre_tokenizer Whitespace/);
  refused({ pre_tokenizer: { ...CUT, pretokenizers: [{ ...SPLIT, behavior: 'Removed' }, BYTE_LEVEL] } }, /Split/);
  refused({ post_processor: { type: 'RobertaProcessing' } }, /no post-processor RobertaProcessing/);
});

test('special tokens come from the config, and from the template that puts them around a text', (t) => {
  const special = (id: string): unknown => ({ SpecialToken: { id, type_id: 0 } });
  const text = (id: string): unknown => ({ Sequence: { id, type_id: 0 } });
  const around = (single: unknown[], pair: unknown[]): Parts => ({
    added_tokens: [added(4, '<s>'), added(5, '</s>'), added(6, '<end>')],
    post_processor: { type: 'Sequence', processors: [BYTE_LEVEL, { type: 'TemplateProcessing', single, pair }] },
  });
  const of = (parts: Parts, config?: Record<string, string>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(metadataOf(parts, config)).filter(([key]) => /_token/.test(key) && key !== 'token_type'),
    );
  const plain = around([text('A')], [text('A'), text('B')]);
  t.deepEqual(of(plain, { eos_token: '</s>' }), { eos_token_id: 5, add_bos_token: false, add_eos_token: false });
  const start = around([special('<s>'), text('A')], [special('<s>'), text('A'), special('<s>'), text('B')]);
  t.deepEqual(of(start), { bos_token_id: 4, add_bos_token: true, add_eos_token: false, add_sep_token: false });
  t.deepEqual(of(start, { bos_token: '<end>' })['add_bos_token'], false);
  const both = around([special('<s>'), text('A'), special('</s>')], []);
  t.deepEqual(of(both, { eos_token: '<end>' }), {
    bos_token_id: 4,
    eos_token_id: 5,
    eot_token_id: 6,
    add_bos_token: true,
    add_eos_token: true,
  });
  t.deepEqual(of({}), {});
  // llama.cpp puts one in front by default.
  t.deepEqual(of({ pre_tokenizer: CUT, model: { ignore_merges: true } }), { add_bos_token: false });
});

test('a tokenizer with more tokens than the model is refused', (t) => {
  t.throws(() => metadataOf({ added_tokens: [added(8, '<s>')] }), {
    code: 'ESP_CHECKPOINT_GGUF',
    message: /"<s>" has the id 8 and the model has 8 rows: train with model\.vocab_size/,
  });
});

test('GPT-2’s tokenizer.json has its tokens and a merge for each', async (t) => {
  const tokenizer = await tokenizerJson({ tokenizer: 'gpt2' });
  if (tokenizer === undefined) throw new Error('it has none');
  const metadata = Object.fromEntries(tokenizerMetadata(tokenizer, 50257, {}));
  const value = (key: string): readonly unknown[] => metadata[key]?.value as readonly unknown[];
  t.deepEqual(value('tokens').slice(0, 3), ['!', '"', '#']);
  t.is(value('tokens')[50256], '<|endoftext|>');
  // The first and last lines of OpenAI's merges.txt.
  t.deepEqual(value('merges').slice(0, 3), ['Ġ t', 'Ġ a', 'h e']);
  t.is(value('merges').at(-1), 'Ġg azed');
  t.is(value('merges').length, 50000);
  t.deepEqual(
    ['bos_token_id', 'eos_token_id', 'add_bos_token'].map((key) => metadata[key]?.value),
    [50256, 50256, false],
  );
});

test('tokenizers that are not Hugging Face’s have no tokenizer.json', async (t) => {
  t.is(await tokenizerJson({ tokenizer: 'char', characters: 'ab' }), undefined);
  t.is(await tokenizerJson({ tokenizer: 'remapped', inner: { tokenizer: 'gpt2' }, tokens: [1] }), undefined);
});
