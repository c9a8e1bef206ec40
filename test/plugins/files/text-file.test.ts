import test from 'ava';
import fc from '../../property.js';
import {
  decodeCorpus,
  decodeText,
  firstInvalid,
  NotText,
  withoutMarks,
} from '../../../plugins/files/reading/text-file.js';

const MARK = '\ufeff';

test('a text is the same with or without a byte order mark', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const plain = text.replace(/^\ufeff+/, '');
      fc.pre(!plain.includes('\0'));
      t.is(decodeText(Buffer.from(MARK + plain)), plain);
      t.is(decodeText(Buffer.from(plain)), plain);
    }),
  );
});

const joined = `${MARK}a\n${MARK}b\r\n${MARK}${MARK}c${MARK}d\n`;
const bare = `a\nb\r\n${MARK}c${MARK}d\n`;

test('byte order marks from joined files are removed, others are kept', (t) => {
  t.is(decodeCorpus(Buffer.from(joined)), bare);
  t.is(decodeCorpus(Buffer.from(bare)), bare);
});

test('byte order marks are removed from chunks of any size', async (t) => {
  const piece = fc.constantFrom(MARK, '\n', 'a', 'é', MARK + MARK, `\n${MARK}`);
  const text = fc.array(piece).map((pieces) => MARK + pieces.join(''));
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), async (text, sizes) => {
      const bytes = Buffer.from(text);
      async function* chunks(): AsyncGenerator<Buffer> {
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const end = at + (sizes[turn % sizes.length] ?? 1);
          yield await Promise.resolve(bytes.subarray(at, end));
          at = end;
        }
      }
      const found: Buffer[] = [];
      for await (const chunk of withoutMarks(chunks())) found.push(chunk);
      t.is(Buffer.concat(found).toString(), decodeCorpus(bytes));
    }),
  );
});

for (const [encoding, bytes] of [
  ['UTF-16', Buffer.from(`${MARK}Call me Ishmael.`, 'utf16le')],
  ['UTF-16', Buffer.from(`${MARK}Call me Ishmael.`, 'utf16le').swap16()],
  ['UTF-16LE', Buffer.from('Call me Ishmael.', 'utf16le')],
  ['UTF-16BE', Buffer.from('Call me Ishmael.', 'utf16le').swap16()],
  ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x41, 0, 0, 0])],
] as const) {
  test(`${encoding} is named (${bytes.subarray(0, 4).toString('hex')})`, (t) => {
    t.throws(() => decodeText(bytes), { instanceOf: NotText, message: new RegExp(`^it is ${encoding}: .*iconv -f`) });
  });
}

test('an error about invalid UTF-8 names the first byte', (t) => {
  const bytes = Buffer.concat([Buffer.from('ü'.repeat(100_000)), Buffer.from([0xe9, 0x20])]);
  t.throws(() => decodeText(bytes), { instanceOf: NotText, message: /not UTF-8 \(0xe9 at byte 200000\)/ });
});

test('everything before the first invalid byte is UTF-8, and nothing longer is', (t) => {
  const decodes = (bytes: Uint8Array): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  const byte = fc.oneof(fc.constantFrom(0x41, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f), fc.nat(255));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(byte), (a, b) => {
      const bytes = Uint8Array.from([...a, ...b]);
      const at = firstInvalid(bytes);
      t.true(decodes(bytes.subarray(0, at)));
      const further = [1, 2, 3, 4].filter((count) => at + count <= bytes.length);
      t.true(further.every((count) => !decodes(bytes.subarray(at, at + count))));
    }),
  );
});
