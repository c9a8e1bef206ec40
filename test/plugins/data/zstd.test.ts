import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from '../../property.js';
import { startsAsZstd, unzstd } from '../../../plugins/data/prepare/zstd.js';

const fixture = (name: string): Buffer => readFileSync(`test/fixtures/files/${name}.jsonl.zst`);
const pzstd = fixture('pzstd');
const records = Array.from({ length: 20 }, (_, i) => `row ${String(i)}`);

async function unpacked(packed: Buffer, step = packed.length): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const pieces = Array.from({ length: Math.ceil(packed.length / step) }, (_, i) =>
    packed.subarray(i * step, (i + 1) * step),
  );
  async function* source(): AsyncGenerator<Buffer> {
    for (const piece of pieces) yield await Promise.resolve(piece);
  }
  for await (const chunk of unzstd(source())) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function textsOf(jsonl: Buffer): unknown[] {
  return jsonl
    .toString()
    .trimEnd()
    .split('\n')
    .map((line): unknown => (JSON.parse(line) as { text: unknown }).text);
}

test('skippable frames are skipped, frames follow each other, in chunks of any size', async (t) => {
  const skippable = Buffer.from('5f2a4d1803000000616263', 'hex');
  for (const packed of [pzstd, fixture('skippable-first')]) {
    t.true(startsAsZstd(packed));
    for (const step of [1, 7, packed.length]) t.deepEqual(textsOf(await unpacked(packed, step)), records);
    const joined = Buffer.concat([packed, skippable, packed]);
    t.deepEqual(textsOf(await unpacked(joined, 5)), [...records, ...records]);
  }
});

test('a checksum that does not match is an error', async (t) => {
  await t.throwsAsync(unpacked(fixture('damaged-checksum')), { message: /checksum/ });
});

test('a file that is cut off anywhere is an error', async (t) => {
  // Up to the end of the skippable frame, it is whole.
  for (let length = 13; length < pzstd.length; length++) {
    await t.throwsAsync(unpacked(pzstd.subarray(0, length)), { instanceOf: Error }, String(length));
  }
});

test('a flipped bit is an error, or changes nothing', async (t) => {
  const whole = await unpacked(pzstd);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 12, max: pzstd.length - 1 }), fc.nat(7), async (at, bit) => {
      const damaged = Buffer.from(pzstd);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
      const found = await unpacked(damaged).catch(() => undefined);
      if (found !== undefined) t.deepEqual(found, whole);
    }),
    { numRuns: 300 },
  );
  t.pass();
});
