import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { encode } from 'gpt-tokenizer/encoding/r50k_base';
import { UsageError, type Tokenizer } from '../../core/index.js';
import { TokenizersByName } from '../../core/run/tokenizers.js';
import BytesTokenizerPlugin from '../../plugins/bytes-tokenizer/index.js';
import CharTokenizerPlugin from '../../plugins/char-tokenizer/index.js';
import Gpt2TokenizerPlugin from '../../plugins/gpt2-tokenizer/index.js';
import { pieceEnd } from '../../plugins/gpt2-tokenizer/pieces.js';
import HfTokenizerPlugin from '../../plugins/hf-tokenizer/index.js';
import { byteLevelTokenizer } from './hf-definition.js';

const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
const file = path.join(folder, 'tokenizer.json');
writeFileSync(file, JSON.stringify(byteLevelTokenizer()));
test.after.always(() => {
  rmSync(folder, { recursive: true });
});

/** Text as people write it, and any other: words, runs of spaces, other scripts, emoji, control characters. */
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
  test(`${kind}: every text comes back, also from a tokenizer that is made again from its state`, async (t) => {
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

test('gpt2 splits text as its regular expression does, with Unicode’s white space', (t) => {
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

test('gpt2 merges a piece of 200,000 bytes in the order of the ranks, without taking its square in time', async (t) => {
  const long = 'ab'.repeat(100_000);
  const started = performance.now();
  const tokenizer = await kinds['gpt2']!('');
  const ids = await tokenizer.encode(long);
  t.true(performance.now() - started < 10_000);
  t.is(await tokenizer.decode(ids), long);
  t.deepEqual([...(await tokenizer.encode('ab'.repeat(2_000)))], encode('ab'.repeat(2_000)));
});

test('characters of several texts together are those of one text of them all', (t) => {
  const factory = new CharTokenizerPlugin();
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), (texts) => {
      const together = factory.combine(texts.map((part) => factory.forText(part).state()));
      t.deepEqual(together.state(), factory.forText(texts.join('')).state());
    }),
  );
});

test('hf finds the end of text, and says what is wrong with its file', async (t) => {
  t.is((await kinds['hf']!('')).endOfText, 256);
  const broken = path.join(folder, 'broken.json');
  writeFileSync(broken, '{"model": 3}');
  for (const config of [{}, { file: 'absent.json' }, { file: broken }, { file, end_of_text: '<end>' }]) {
    const error = await t.throwsAsync(new HfTokenizerPlugin(config).forText(), { instanceOf: UsageError });
    t.is(error.code, 'ESP_TOKENIZER_FILE');
  }
});

test('a state is refused by other tokenizers, and finds its own by name', async (t) => {
  const state = new BytesTokenizerPlugin().forText().state();
  const gpt2 = new Gpt2TokenizerPlugin();
  t.throws(() => gpt2.fromState(state), { instanceOf: UsageError });
  t.is((await new TokenizersByName(folder).fromState(state, gpt2)).vocabSize, 257);
  await t.throwsAsync(new TokenizersByName(folder).fromState({ tokenizer: 'byte' }), { message: /byte/ });
});
