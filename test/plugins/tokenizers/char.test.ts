import test from 'ava';
import fc from '../../property.js';
import { UsageError } from '../../../core/index.js';
import CharTokenizerPlugin from '../../../plugins/tokenizers/char.js';

const factory = new CharTokenizerPlugin();

test('every text survives encoding and decoding, also with a restored tokenizer', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (text) => {
      const tokenizer = factory.forText(text);
      t.is(await tokenizer.decode(await tokenizer.encode(text)), text);
      const again = factory.fromState(tokenizer.state());
      t.deepEqual(await again.encode(text), await tokenizer.encode(text));
    }),
  );
});

test('ids follow the code points, as sorted(set(text)) gives them in Python', async (t) => {
  t.deepEqual([...(await factory.forText('ba😀é\n').encode('\nabé😀'))], [0, 1, 2, 3, 4]);
});

test('a character outside the training text is named with its position', (t) => {
  const error = t.throws(() => factory.forText('abc').encode('abz'), { instanceOf: UsageError });
  t.regex(error.message, /"z" \(number 3/);
});
