import { closeSync, openSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../../property.js';
import { FILE_HEADER, framed, readRecords, type StoredRecord } from '../../../../plugins/logs/wandb/blocks.js';
import { decodeRecord, encodeRecord, itemsOf, secondsOf, timeOf } from '../../../../plugins/logs/wandb/records.js';
import { emptyFolder } from '../../../e2e/command.js';

/** Sizes at which a block ends, or has room for a header alone, matter most. */
const record = fc
  .oneof(fc.nat(40), fc.integer({ min: 32_730, max: 32_770 }), fc.constant(32_747), fc.nat(100_000))
  .chain((length) =>
    fc.integer({ min: 1, max: 255 }).map((seed) => Buffer.alloc(length, Uint8Array.of(seed, 255 - seed, seed ^ 7))),
  );

function fileOf(records: readonly Uint8Array[]): { bytes: Buffer; ends: number[] } {
  const pieces: Uint8Array[] = [FILE_HEADER];
  const ends: number[] = [];
  let position = FILE_HEADER.length;
  for (const each of records) {
    const piece = framed(each, position);
    position += piece.length;
    pieces.push(piece);
    ends.push(position);
  }
  return { bytes: Buffer.concat(pieces), ends };
}

function reader(t: ExecutionContext): (bytes: Uint8Array, from?: number) => StoredRecord[] {
  const file = path.join(emptyFolder(t), 'run.wandb');
  return (bytes, from = FILE_HEADER.length) => {
    writeFileSync(file, bytes);
    const descriptor = openSync(file, 'r');
    try {
      return [...readRecords(descriptor, from)];
    } finally {
      closeSync(descriptor);
    }
  };
}

test('framed records are read back with their positions, starting at any record', (t) => {
  const read = reader(t);
  fc.assert(
    fc.property(fc.array(record, { maxLength: 8 }), (records) => {
      const { bytes, ends } = fileOf(records);
      const found = read(bytes);
      t.is(found.length, records.length);
      t.true(records.every((each, i) => Buffer.compare(each, found[i]!.bytes) === 0));
      t.deepEqual(
        found.map(({ end }) => end),
        ends,
      );
      t.is(read(bytes, ends[0] ?? FILE_HEADER.length).length, Math.max(0, records.length - 1));
    }),
    { numRuns: 50 },
  );
});

test('in a truncated or damaged file, complete records before the damage are read', (t) => {
  const read = reader(t);
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.nat(), fc.boolean(), (records, at, cut) => {
      const { bytes, ends } = fileOf(records);
      const place = FILE_HEADER.length + (at % (bytes.length - FILE_HEADER.length));
      const harmed = cut ? bytes.subarray(0, place) : Buffer.from(bytes);
      if (!cut) harmed[place] = (harmed[place] ?? 0) ^ 0x10;
      const whole = ends.filter((end) => end <= place).length;
      const found = read(harmed).length;
      // What lies between blocks is not looked at.
      t.true(found >= whole && (cut ? found === whole : found <= records.length));
      if (!cut && found > whole) t.is(found, records.length);
    }),
    { numRuns: 50 },
  );
});

test('a record survives encoding and decoding', (t) => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.oneof(fc.double(), fc.string(), fc.integer())),
      fc.nat(),
      fc.nat(4e12),
      (values, step, time) => {
        const history = { item: itemsOf(values), step: { num: step } };
        const output_raw = { output_type: 1, timestamp: timeOf(time), line: 'x\n' };
        const back = decodeRecord(encodeRecord({ num: step, history, _info: { stream_id: 'abc' } }));
        t.deepEqual(back, { num: step, history, _info: { stream_id: 'abc' } });
        t.deepEqual(decodeRecord(encodeRecord({ num: 1, output_raw })).output_raw, output_raw);
        t.true(Math.abs(1000 * secondsOf(output_raw.timestamp) - time) < 1);
      },
    ),
  );
});
