import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from '../../property.js';
import type { StoredTensor } from '../../../core/contracts/checkpoint-store.js';
import { readSafetensors } from '../../../plugins/checkpoint/safetensors/read.js';
import { writeSafetensors } from '../../../plugins/checkpoint/safetensors/write.js';
import { UsageError } from '../../../core/index.js';
import { emptyFolder } from '../../e2e/command.js';

/** Every bit pattern of 32 bits, as floats: NaN payloads, -0 and subnormals among them. */
const bits = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0x80000000, 0x7fc00001, 0x7fa00000, 0xffc12345, 0x7f800000, 1),
);
const tensor = fc
  .record({
    shape: fc.array(fc.nat(3), { maxLength: 3 }),
    float: fc.boolean(),
    drawn: fc.array(bits, { minLength: 27, maxLength: 27 }),
  })
  .map(({ shape, float, drawn }): StoredTensor => {
    const size = shape.reduce((product, n) => product * n, 1);
    const words = Uint32Array.from(drawn.slice(0, size));
    return { shape, values: float ? new Float32Array(words.buffer) : new Int32Array(words.buffer) };
  });
const named = fc.tuple(
  fc.oneof(
    fc.string().filter((name) => name !== '__metadata__'),
    fc.constantFrom('__proto__', '7', 'a"b\\c', 'é😀', ''),
  ),
  tensor,
);

function words({ values }: StoredTensor): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

test('names, shapes, types, order and every bit survive a round trip', async (t) => {
  const file = path.join(emptyFolder(t), 'x.safetensors');
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(named, { selector: ([name]) => name, maxLength: 5 }), async (entries) => {
      await writeSafetensors(file, new Map(entries), { format: 'pt' });
      const read = await readSafetensors(file);
      const withData = (name: string): boolean => (new Map(entries).get(name)?.values.length ?? 0) > 0;
      t.deepEqual([...read.keys()].filter(withData), entries.map(([name]) => name).filter(withData));
      t.is(read.size, entries.length);
      for (const [name, { shape, values }] of entries) {
        const back = read.get(name);
        t.truthy(back, name);
        if (back === undefined) continue;
        t.deepEqual(back.shape, shape);
        t.is(back.values.constructor, values.constructor);
        t.deepEqual(words(back), words({ shape, values }));
      }
    }),
    { numRuns: 60 },
  );
});

test('of a view into a larger buffer only the view is written', async (t) => {
  const file = path.join(emptyFolder(t), 'x.safetensors');
  const values = new Float32Array([1, 2, 3, 4, 5]).subarray(1, 3);
  await writeSafetensors(file, new Map([['v', { shape: [2], values }]]));
  t.deepEqual((await readSafetensors(file)).get('v')?.values, new Float32Array([2, 3]));
});

interface Malformed {
  what: string;
  header: string;
  data: number;
  message: RegExp;
}

const entry = (dtype: string, shape: readonly number[], begin: number, end: number): object => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const malformed: Malformed[] = [
  {
    what: 'overlapping tensors',
    header: JSON.stringify({ a: entry('F32', [2], 0, 8), b: entry('F32', [2], 4, 12) }),
    data: 12,
    message: /tensor b overlaps/,
  },
  {
    what: 'a tensor past the end',
    header: JSON.stringify({ a: entry('F32', [4], 0, 16) }),
    data: 12,
    message: /tensor a ends at byte 16 of 12/,
  },
  {
    what: 'a gap',
    header: JSON.stringify({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 8, 12) }),
    data: 12,
    message: /4 unused bytes before tensor b/,
  },
  {
    what: 'bytes after the last tensor',
    header: JSON.stringify({ a: entry('F32', [1], 0, 4) }),
    data: 12,
    message: /8 bytes after the last tensor/,
  },
  {
    what: 'a type that is not read',
    header: JSON.stringify({ a: entry('U32', [1], 0, 4) }),
    data: 4,
    message: /tensor a has data type U32/,
  },
  {
    what: 'a shape that does not fit its bytes',
    header: JSON.stringify({ a: entry('F32', [3], 0, 8) }),
    data: 8,
    message: /tensor a of shape \[3\] takes 12 bytes/,
  },
  {
    what: 'a range that ends before it begins',
    header: JSON.stringify({ a: entry('F32', [1], 8, 4) }),
    data: 8,
    message: /tensor a/,
  },
  {
    what: 'a negative size',
    header: JSON.stringify({ a: entry('F32', [-1], 0, 4) }),
    data: 4,
    message: /tensor a needs/,
  },
  {
    what: 'sizes whose product is beyond all whole numbers',
    header: JSON.stringify({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 4) }),
    data: 4,
    message: /tensor a/,
  },
  { what: 'no JSON', header: '{"a": ', data: 0, message: /not JSON/ },
  { what: 'JSON that is no object', header: '[1, 2]', data: 0, message: /not a JSON object/ },
];

for (const { what, header, data, message } of malformed) {
  test(`refused, with the file named: ${what}`, async (t) => {
    const file = path.join(emptyFolder(t), 'bad.safetensors');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
    writeFileSync(file, Buffer.concat([length, Buffer.from(header), Buffer.alloc(data)]));
    const error = await t.throwsAsync(readSafetensors(file), { instanceOf: UsageError });
    t.regex(error.message, message);
    t.true(error.message.startsWith(file));
  });
}

for (const length of [17n, 2n ** 32n, 2n ** 53n, 2n ** 64n - 1n]) {
  test(`a header of ${String(length)} bytes in a file of 24 is refused before it is read`, async (t) => {
    const file = path.join(emptyFolder(t), 'bad.safetensors');
    const bytes = Buffer.alloc(24);
    bytes.writeBigUInt64LE(length);
    writeFileSync(file, bytes);
    const error = await t.throwsAsync(readSafetensors(file), { instanceOf: UsageError });
    t.regex(error.message, new RegExp(`header claims to be ${String(length)} bytes`));
  });
}

test('a file shorter than its length field, or missing, is named', async (t) => {
  const folder = emptyFolder(t);
  const short = path.join(folder, 'short.safetensors');
  writeFileSync(short, Buffer.alloc(5));
  t.regex((await t.throwsAsync(readSafetensors(short), { instanceOf: UsageError })).message, /too few/);
  const absent = path.join(folder, 'absent.safetensors');
  t.true((await t.throwsAsync(readSafetensors(absent), { instanceOf: UsageError })).message.startsWith(absent));
});
