import test from 'ava';
import fc from '../../property.js';
import { characterStart, findCut } from '../../../plugins/data/prepare/cut.js';

const always = (): boolean => true;

test('a cut is the last position below the wanted length, else the first above it, and never splits a character', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 2 }), fc.nat(), fc.boolean(), (text, number, more) => {
      const bytes = Buffer.from(text);
      const wanted = number % bytes.length;
      const places = cuts(bytes).filter((at) => at <= bytes.length - (more ? 4 : 1));
      const expected = places.filter((at) => at <= wanted).at(-1) ?? places[0] ?? 0;
      t.is(findCut(bytes, always, { wanted, more }), expected);
    }),
  );
});

test('a search continues where the last one ended, and sees the characters on both sides', (t) => {
  const bytes = Buffer.from('aé中😀 b');
  const asked: string[] = [];
  const ask = (left: number, right: number): boolean => {
    asked.push(String.fromCodePoint(left, right));
    return false;
  };
  t.is(findCut(bytes, ask, { wanted: 3, more: false }), 0);
  t.deepEqual(asked, ['é中', 'aé', '中😀', '😀 ', ' b']);
  asked.length = 0;
  t.is(findCut(bytes, ask, { wanted: 3, searched: 6, more: false }), 0);
  t.deepEqual(asked, ['😀 ', ' b']);
});

test('the start of a character is found from each of its bytes', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.nat(), (text, at) => {
      const bytes = Buffer.from(text);
      const index = at % bytes.length;
      const start = characterStart(bytes, index);
      t.true(start <= index && index - start < 4);
      t.true(start === 0 || cuts(bytes).includes(start));
    }),
  );
});

/** Where the characters of a text start, without the first. */
function cuts(bytes: Buffer): number[] {
  const starts: number[] = [];
  let at = 0;
  for (const character of bytes.toString()) {
    if (at > 0) starts.push(at);
    at += Buffer.byteLength(character);
  }
  return starts;
}
