import { statSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { writeGguf, type GgufTensor, type GgufValue } from '../../../../plugins/models/gguf/container.js';
import { toHalf } from '../../../../plugins/models/gguf/half.js';
import { emptyFolder } from '../../../e2e/command.js';
import fc from '../../../property.js';
import { readGguf } from './read.js';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const values = fc.oneof<fc.Arbitrary<GgufValue>[]>(
  fc.record({ type: fc.constant('uint32'), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
  fc.record({ type: fc.constant('float32'), value: fc.float({ noNaN: true }) }),
  fc.record({ type: fc.constant('bool'), value: fc.boolean() }),
  fc.record({ type: fc.constant('string'), value: text }),
  fc.record({ type: fc.constant('strings'), value: fc.array(text, { maxLength: 300 }) }),
  fc.record({ type: fc.constant('int32s'), value: fc.array(fc.integer(), { maxLength: 300 }) }),
);
const tensors = fc.uniqueArray(
  fc.record({
    name: text,
    shape: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 3 }),
    dtype: fc.constantFrom('f32', 'f16'),
  }),
  { selector: ({ name }) => name, maxLength: 12 },
);

test('a written file is read back: every value with its type, every tensor at a multiple of 32 bytes', async (t) => {
  const file = path.join(emptyFolder(t), 'a.gguf');
  await fc.assert(
    fc.asyncProperty(fc.dictionary(text, values, { maxKeys: 12 }), tensors, async (metadata, shapes) => {
      const written = shapes.map((shape, index): GgufTensor & { numbers: Float32Array } => {
        const size = shape.shape.reduce((product, n) => product * n, 1);
        const numbers = Float32Array.from({ length: size }, (_, i) => (i + index) / 8 - 3);
        return { ...shape, numbers, values: () => numbers };
      });
      await writeGguf(file, { metadata: new Map(Object.entries(metadata)), tensors: written });
      const read = readGguf(file);
      t.deepEqual(
        [...read.metadata].map(([key, { value }]) => [key, value]),
        Object.entries(metadata).map(([key, { type, value }]) => [
          key,
          type === 'strings' ? { of: 8, items: value } : type === 'int32s' ? { of: 5, items: value } : value,
        ]),
      );
      t.deepEqual(
        [...read.tensors].map(([name, { shape, type }]) => [name, shape, type]),
        written.map(({ name, shape, dtype }) => [name, shape, dtype === 'f32' ? 0 : 1]),
      );
      for (const { name, dtype, numbers } of written) {
        const found = read.tensors.get(name);
        t.is((found?.start ?? NaN) % 32, 0);
        const { buffer, byteLength } = dtype === 'f32' ? numbers : toHalf(numbers);
        t.true(found?.bytes.equals(Buffer.from(buffer, 0, byteLength)));
      }
      t.is(statSync(file).size % 32, 0);
    }),
    { numRuns: 60 },
  );
});

test('a tensor whose values do not match its shape is an error', async (t) => {
  const tensor: GgufTensor = { name: 'a', shape: [2, 3], dtype: 'f32', values: () => new Float32Array(5) };
  await t.throwsAsync(writeGguf(path.join(emptyFolder(t), 'a.gguf'), { metadata: new Map(), tensors: [tensor] }), {
    message: 'tensor a: shape [2, 3] does not hold 5 values',
  });
});

test('half precision: its own numbers are exact, and others are rounded to the nearest, ties to even', (t) => {
  const all = Uint16Array.from({ length: 0x7c00 }, (_, bits) => bits);
  const numbers = Float32Array.from(all, valueOf);
  t.deepEqual(toHalf(numbers), all);
  t.deepEqual(
    toHalf(numbers.map((value) => -value)),
    all.map((bits) => bits | 0x8000),
  );
  // 0.5, 0.4999 and 0.5001 of the way from each number to the next: exact in float32, whose mantissa has 13 bits more.
  const between = (share: number): Uint16Array =>
    toHalf(numbers.map((value, i) => value + share * (valueOf(i + 1) - value)));
  t.deepEqual(
    between(0.5),
    all.map((bits) => bits + (bits & 1)),
  );
  t.deepEqual(between(0.499), all);
  t.deepEqual(
    between(0.501),
    all.map((bits) => bits + 1),
  );
  t.deepEqual(
    [...toHalf(Float32Array.of(Infinity, -Infinity, NaN, 65519, 65520, 1e38))].map((bits) => bits.toString(16)),
    ['7c00', 'fc00', '7e00', '7bff', '7c00', '7c00'],
  );
});

/**
 * The number with these bits in half precision, without a sign; the one after the largest is 65536, where infinity
 * begins.
 */
function valueOf(bits: number): number {
  const [exponent, mantissa] = [bits >> 10, bits & 0x3ff];
  return exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25);
}
