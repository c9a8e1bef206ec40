import test from 'ava';
import fc from '../../property.js';
import { recordLayout, recordLines } from '../../../plugins/data/prepare/records.js';

/** The bytes in chunks, at cuts that wrap around. */
async function* chunked(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = at + (cuts[turn % cuts.length] ?? bytes.length);
    yield await Promise.resolve(bytes.subarray(at, end));
    at = end;
  }
}

async function linesOf(text: string, cuts: readonly number[] = [1]): Promise<unknown[]> {
  const bytes = Buffer.from(text);
  const layout = recordLayout(bytes);
  if (layout === 'lines')
    return text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line): unknown => JSON.parse(line));
  const chunks: Buffer[] = [];
  for await (const chunk of recordLines(chunked(bytes, cuts), layout)) chunks.push(chunk);
  const lines = Buffer.concat(chunks);
  if (lines.length !== bytes.length) throw new Error('bytes were added or lost');
  return lines
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line): unknown => JSON.parse(line));
}

test('records in an array, one per line, and pretty-printed are the same, wherever chunks end', async (t) => {
  const records = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 1 });
  const indent = fc.constantFrom(undefined, 0, 1, 2, '\t');
  const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(records, indent, cuts, async (values, space, cuts) => {
      const expected = values.map((value): unknown => JSON.parse(JSON.stringify(value)));
      t.deepEqual(await linesOf(JSON.stringify(values, null, space), cuts), expected);
      t.deepEqual(await linesOf(values.map((value) => `${JSON.stringify(value)}\r\n`).join(''), cuts), expected);
      const printed = values.map((value) => JSON.stringify(value, null, 2));
      // An empty record has no line end: then they are not known to be printed.
      if (printed[0] !== '{}') t.deepEqual(await linesOf(printed.join('\r\n'), cuts), expected);
    }),
  );
});

test('consecutive arrays are read one after the other', async (t) => {
  t.deepEqual(await linesOf('[{"a":1},{"a":2}]\n\n [ ] [{"a":3}]'), [{ a: 1 }, { a: 2 }, { a: 3 }]);
});

for (const [text, message] of [
  ['[{"a":1},{"a":"]"', /within the array: it is cut off/],
  ['[{"a":1}] {"a":2}', /outside the array/],
  ['[{"a":1}] x', /after the end of the array/],
  ['[{"a":1}}', /brackets do not match/],
  ['[{"a":1}]]', /brackets do not match/],
  ['{\n"a":1', /within a record/],
] as const) {
  test(`${JSON.stringify(text)} is refused`, async (t) => {
    await t.throwsAsync(linesOf(text), { message });
  });
}
