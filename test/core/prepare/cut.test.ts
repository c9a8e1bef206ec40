import test from 'ava';
import fc from 'fast-check';
import { characterStart, cutPoint } from '../../../core/prepare/cut.js';
import Gpt2TokenizerPlugin from '../../../plugins/gpt2-tokenizer/index.js';

const tokenizer = new Gpt2TokenizerPlugin().forText();
const words = fc
  .array(fc.constantFrom('word', "it's", ' ', '  ', '\n', '\n\n', '\t', ' \n', 'été', '中文', '…', '. ', '12', '😀 '), {
    minLength: 1,
    maxLength: 60,
  })
  .map((parts) => parts.join(''));

test('a text that is cut encodes to what the whole does', async (t) => {
  await fc.assert(
    fc.asyncProperty(words, fc.integer({ min: 2, max: 100 }), async (text, size) => {
      const bytes = Buffer.from(`start ${text}`);
      const piece = bytes.subarray(0, size);
      const cut = cutPoint(piece);
      // A piece without white space has no good place; it is cut between characters.
      fc.pre(cut < bytes.length && (bytes[cut] === 0x20 || bytes[cut] === 0x0a));
      const parts = await Promise.all(
        [bytes.subarray(0, cut), bytes.subarray(cut)].map(async (part) => [
          ...(await tokenizer.encode(part.toString())),
        ]),
      );
      t.deepEqual(parts.flat(), [...(await tokenizer.encode(bytes.toString()))]);
    }),
  );
});

test('a cut is never inside a character, and never at the start', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 2 }), fc.nat(), (text, at) => {
      const bytes = Buffer.from(`x${text}`);
      const cut = cutPoint(bytes.subarray(0, 4 + (at % bytes.length)));
      t.true(cut > 0);
      t.is(bytes.subarray(0, cut).toString() + bytes.subarray(cut).toString(), `x${text}`);
      const index = at % bytes.length;
      const start = characterStart(bytes, index);
      t.is(bytes.subarray(0, start).toString() + bytes.subarray(start).toString(), `x${text}`);
      t.true(start <= index && index - start < 4);
    }),
  );
});
