import test from 'ava';
import fc from '../../property.js';
import type { Input } from '../../../plugins/data/prepare/inputs.js';
import { inputsOfPart } from '../../../plugins/data/shared/part.js';

function file(name: string, split: Input['split']): Input {
  return { name, file: `/${name}`, format: 'text', size: 1, split };
}

test('the parts’ files in order are all files of each split, and each part has some', (t) => {
  const files = fc.record({
    held: fc.nat(6),
    trained: fc.integer({ min: 1, max: 12 }),
    wanted: fc.integer({ min: 1, max: 12 }),
  });
  fc.assert(
    fc.property(files, ({ held, trained, wanted }) => {
      const count = Math.min(trained, wanted);
      const named = (length: number, split: Input['split']): Input[] =>
        Array.from({ length }, (_, i) => file(`${split ?? 'text'}-${String(i)}`, split));
      const all = [...named(held, 'val'), ...named(trained, held > 0 ? 'train' : undefined)];
      const parts = Array.from({ length: count }, (_, i) => inputsOfPart(all, { number: i + 1, count }));
      const of = (isVal: boolean): Input[] =>
        parts.flatMap(({ inputs }) => inputs.filter(({ split }) => (split === 'val') === isVal));
      t.deepEqual([...of(true), ...of(false)], all);
      const shares = parts.map(({ inputs }) => inputs.filter(({ split }) => split !== 'val').length);
      t.true(Math.min(...shares) >= 1 && Math.max(...shares) - Math.min(...shares) <= 1);
      t.deepEqual(
        parts.map(({ continues }) => continues.train),
        parts.map((_, i) => i > 0),
      );
      if (held === 0) return;
      const before = parts.map((_, i) =>
        parts.slice(0, i).some(({ inputs }) => inputs.some((each) => each.split === 'val')),
      );
      t.deepEqual(
        parts.map(({ continues }) => continues.val),
        before,
      );
    }),
  );
});
