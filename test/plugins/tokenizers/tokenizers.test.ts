import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import fc from '../../property.js';
import { encode } from 'gpt-tokenizer/encoding/r50k_base';
import { UsageError, type Tokenizer } from '../../../core/index.js';
import { TokenizersByName } from '../../../core/run/tokenizers.js';
import BytesTokenizerPlugin from '../../../plugins/tokenizers/bytes.js';
import CharTokenizerPlugin from '../../../plugins/tokenizers/char.js';
import Gpt2TokenizerPlugin from '../../../plugins/tokenizers/gpt2/index.js';
import { pieceEnd } from '../../../plugins/tokenizers/gpt2/pieces.js';
import HfTokenizerPlugin from '../../../plugins/tokenizers/hf/index.js';
import { byteLevelTokenizer } from './hf-definition.js';

const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
const file = path.join(folder, 'tokenizer.json');
writeFileSync(file, JSON.stringify(byteLevelTokenizer()));
test.after.always(() => {
  rmSync(folder, { recursive: true });
});

/** Ordinary and any other text: words, runs of spaces, other scripts, emoji, control characters. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "it's",
        'the',
        ' the',
        '  ',
        '\n\n',
        ' \n',
        '\u0085',
        '\ufeff',
        'été',
        ' 中文',
        '😀',
        '123',
        "'LL",
      ),
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(''));

const kinds: Record<string, (text: string) => Tokenizer | Promise<Tokenizer>> = {
  char: (learned) => new CharTokenizerPlugin().forText(learned),
  bytes: () => new BytesTokenizerPlugin().forText(),
  gpt2: () => new Gpt2TokenizerPlugin().forText(),
  hf: async () => new HfTokenizerPlugin({ file }).forText(),
};

for (const [kind, make] of Object.entries(kinds)) {
  test(`${kind}: every text survives encoding and decoding, also with a restored tokenizer`, async (t) => {
    const tokenizers = new TokenizersByName(folder);
    const state = (await make('')).state();
    const restored = await tokenizers.fromState(state);
    await fc.assert(
      fc.asyncProperty(text, async (written) => {
        const tokenizer = await make(written);
        const ids = await tokenizer.encode(written);
        t.is(await tokenizer.decode(ids), written);
        t.true(ids.every((id) => id >= 0 && id < tokenizer.vocabSize));
        if (kind !== 'char') t.deepEqual(await restored.encode(written), ids);
      }),
      { numRuns: 50 },
    );
  });
}

test('gpt2 gives the tokens that gpt-tokenizer gives', async (t) => {
  const tokenizer = await kinds['gpt2']!('');
  await fc.assert(
    fc.asyncProperty(text, async (written) => {
      // Its \s is JavaScript's; OpenAI's is Unicode's.
      fc.pre(!/[\u0085\ufeff]/.test(written));
      t.deepEqual([...(await tokenizer.encode(written))], encode(written));
    }),
  );
  t.is(tokenizer.endOfText, 50256);
  t.false((await tokenizer.encode('text that says <|endoftext|>')).includes(50256));
});

test('gpt2 splits text like its regular expression, with Unicode’s white space', (t) => {
  const expression =
    /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
  fc.assert(
    fc.property(text, (written) => {
      const units = Uint16Array.from({ length: written.length }, (_, at) => written.charCodeAt(at));
      const pieces: string[] = [];
      for (let start = 0; start < units.length;) {
        const end = pieceEnd(units, start);
        pieces.push(written.slice(start, end));
        start = end;
      }
      t.deepEqual(pieces, written.match(expression) ?? []);
    }),
    { numRuns: 1000 },
  );
});

// In quadratic time this would take hours, and ava would end it.
test('gpt2 merges a piece of 1,000,000 bytes in rank order, and not in quadratic time', async (t) => {
  const long = 'ab'.repeat(500_000);
  const tokenizer = await kinds['gpt2']!('');
  const ids = await tokenizer.encode(long);
  t.is(await tokenizer.decode(ids), long);
  t.deepEqual([...(await tokenizer.encode('ab'.repeat(2_000)))], encode('ab'.repeat(2_000)));
});

test('combining char tokenizers gives the tokenizer of all texts together', (t) => {
  const factory = new CharTokenizerPlugin();
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), (texts) => {
      const together = factory.combine(texts.map((part) => factory.forText(part).state()));
      t.deepEqual(together.state(), factory.forText(texts.join('')).state());
    }),
  );
});

test('hf finds the end-of-text token, and reports errors in its file', async (t) => {
  t.is((await kinds['hf']!('')).endOfText, 256);
  const broken = path.join(folder, 'broken.json');
  writeFileSync(broken, '{"model": 3}');
  for (const config of [{}, { file: 'absent.json' }, { file: broken }, { file, end_of_text: '<end>' }]) {
    const error = await t.throwsAsync(new HfTokenizerPlugin(config).forText(), { instanceOf: UsageError });
    t.is(error.code, 'ESP_TOKENIZER_FILE');
  }
});

const halves = fc
  .array(fc.constantFrom('\ud83d', '\udc4d', '\udbc0', 'x', ' ', '\n', '😀'), { maxLength: 12 })
  .map((parts) => parts.join(''));

for (const [kind, make] of Object.entries(kinds)) {
  test(`${kind}: half a surrogate pair is U+FFFD`, async (t) => {
    await fc.assert(
      fc.asyncProperty(halves, async (written) => {
        const tokenizer = await make(written);
        const expected = await (await make(written.toWellFormed())).encode(written.toWellFormed());
        t.deepEqual(await tokenizer.encode(written), expected);
        t.is(await tokenizer.decode(expected), written.toWellFormed());
      }),
      { numRuns: 50 },
    );
  });

  test(`${kind}: an id without a token becomes U+FFFD and leaves the others unchanged`, async (t) => {
    const tokenizer = await make('Call é');
    const [call, rest] = [await tokenizer.encode('Call'), await tokenizer.encode(' é')];
    for (const id of [tokenizer.vocabSize, tokenizer.vocabSize + 7, 1_000_000]) {
      t.is(await tokenizer.decode([id, ...call, id, id, ...rest]), '\ufffdCall\ufffd\ufffd é');
    }
    const remapped = await new TokenizersByName(folder).fromState({
      tokenizer: 'remapped',
      inner: tokenizer.state(),
      tokens: [...new Set([...call, ...rest])],
    });
    const rare = remapped.vocabSize - 1;
    const ids = await remapped.encode('Call é');
    t.is(await remapped.decode([rare, ...ids, rare + 5, ...ids]), '\ufffdCall é\ufffdCall é');
  });
}

test('hf keeps the space after an id without a token, and shows gaps in its vocabulary as U+FFFD', async (t) => {
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
  const vocab = { '<unk>': 0, '▁call': 1, '▁me': 2, ish: 5 };
  const definition = {
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: metaspace,
    post_processor: null,
    decoder: metaspace,
    model: { type: 'BPE', unk_token: '<unk>', fuse_unk: false, byte_fallback: false, vocab, merges: [] },
  };
  const holes = path.join(folder, 'holes.json');
  writeFileSync(holes, JSON.stringify(definition));
  const tokenizer = await new HfTokenizerPlugin({ file: holes }).forText();
  t.is(await tokenizer.decode([1, 2, 5]), 'call meish');
  t.is(await tokenizer.decode([1, 3, 2, 4, 5, 6]), 'call\ufffd me\ufffdish\ufffd');
  t.is(tokenizer.endOfText, undefined);
});

test('hf takes the end-of-text token from config files next to its file, or a special token', async (t) => {
  const own = mkdtempSync(path.join(folder, 'end-'));
  const added = ['</s>', '<eos>', '<turn>'].map((content, index) => ({
    ...{ id: 300 + index, content, single_word: false, lstrip: false, rstrip: false, normalized: false },
    special: content !== '</s>',
  }));
  const at = path.join(own, 'tokenizer.json');
  writeFileSync(at, JSON.stringify({ ...byteLevelTokenizer(), added_tokens: added }));
  const endOf = async (end_of_text?: string): Promise<string | undefined> => {
    const tokenizer = await new HfTokenizerPlugin(
      end_of_text === undefined ? { file: at } : { file: at, end_of_text },
    ).forText();
    const { endOfText } = tokenizer;
    const again = await new TokenizersByName(own).fromState(tokenizer.state());
    t.is(again.endOfText, endOfText);
    return endOfText === undefined ? undefined : await tokenizer.decode([endOfText]);
  };
  const eos = (await (await new HfTokenizerPlugin({ file: at }).forText()).encode('<eos>'))[0];
  // Not </s>, which is ordinary text here.
  t.is(await endOf(), '<eos>');
  t.is(await endOf('<turn>'), '<turn>');
  for (const [name, content, expected] of [
    ['config.json', { eos_token_id: [eos, 1] }, '<eos>'],
    ['generation_config.json', { eos_token_id: 65 }, 'A'],
    ['special_tokens_map.json', { eos_token: { content: '<turn>', special: true } }, '<turn>'],
    ['tokenizer_config.json', { eos_token: '</s>' }, '</s>'],
    ['tokenizer_config.json', { eos_token: '<|not there|>' }, '<turn>'],
    ['tokenizer_config.json', { eos_token: null }, '<turn>'],
  ] as const) {
    writeFileSync(path.join(own, name), JSON.stringify(content));
    t.is(await endOf(), expected, name);
  }
  writeFileSync(path.join(own, 'tokenizer_config.json'), '{');
  await t.throwsAsync(endOf(), { instanceOf: UsageError, message: /tokenizer_config\.json.*correct or remove it/ });
  t.is(await endOf('</s>'), '</s>');
});

test('a state is refused by other tokenizers, and restored by its own', async (t) => {
  const state = new BytesTokenizerPlugin().forText().state();
  const gpt2 = new Gpt2TokenizerPlugin();
  t.throws(() => gpt2.fromState(state), { instanceOf: UsageError });
  t.is((await new TokenizersByName(folder).fromState(state, gpt2)).vocabSize, 257);
  await t.throwsAsync(new TokenizersByName(folder).fromState({ tokenizer: 'byte' }), { message: /byte/ });
});
