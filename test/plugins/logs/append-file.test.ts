import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import fc from '../../property.js';
import { AppendFile } from '../../../plugins/index.js';
import { emptyFolder } from '../../e2e/command.js';
import { fullDevice, needing } from '../../needs.js';

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('append'), size: fc.integer({ min: 0, max: 90 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('flush', 'wait', 'turn'), size: fc.constant(0) }) },
);

const sameBytes = Buffer.from('the same bytes again ');

/** Appends numbered pieces, text and bytes in turn; small sizes stand for one object that is appended again and again. */
class Pieces {
  readonly taken: Buffer[] = [];
  refusedBytes = 0;
  #count = 0;

  append(file: AppendFile, size: number): boolean {
    const text = `${String(this.#count++)}é`.repeat(size).slice(0, size);
    const bytes = size > 0 && size < 30 ? sameBytes : Buffer.from(text);
    const took = file.append(bytes !== sameBytes && this.#count % 2 === 0 ? text : bytes);
    if (took) this.taken.push(bytes);
    else this.refusedBytes += bytes.length;
    return took;
  }

  get content(): Buffer {
    return Buffer.concat(this.taken);
  }
}

test('everything appended is in the file in order, for any sizes, limit and flushes', async (t) => {
  const folder = emptyFolder(t);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 400 }), async (steps, limit) => {
      const name = path.join(folder, `${String(count++)}/log`);
      const file = new AppendFile(name, { limit, onFailure: (line) => t.fail(line) });
      const pieces = new Pieces();
      const flushes: Promise<void>[] = [];
      for (const { kind, size } of steps) {
        if (kind === 'append') t.true(pieces.append(file, size));
        else if (kind === 'turn') await nextTurn();
        else if (kind === 'flush') flushes.push(file.flush());
        else {
          await file.flush();
          t.deepEqual(existsSync(name) ? readFileSync(name) : Buffer.of(), pieces.content);
        }
      }
      await file.close();
      await Promise.all(flushes);
      t.deepEqual(existsSync(name) ? readFileSync(name) : Buffer.of(), pieces.content);
    }),
    { numRuns: 150 },
  );
});

test('nothing accepted is lost during disk failures, and no more than the limit is buffered', async (t) => {
  const folder = emptyFolder(t);
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.array(step, { maxLength: 30 }),
      fc.integer({ min: 100, max: 1000 }),
      async (during, after, limit) => {
        const name = path.join(mkdtempSync(path.join(folder, 'case-')), 'log');
        // A folder in its place: no write can work until it is gone.
        mkdirSync(name);
        const told: string[] = [];
        const file = new AppendFile(name, { limit, onFailure: (line) => told.push(line) });
        const pieces = new Pieces();
        const run = async (steps: typeof during): Promise<void> => {
          for (const { kind, size } of steps) {
            if (kind === 'append') pieces.append(file, size);
            else if (kind === 'turn') await nextTurn();
            else await file.flush();
          }
        };
        await run(during);
        t.true(pieces.content.length <= limit);
        rmdirSync(name);
        await run(after);
        await file.close();
        t.deepEqual(existsSync(name) ? readFileSync(name) : Buffer.of(), pieces.content);
        t.true(told.length <= 2);
        t.is(
          told.filter((line) => /cannot be written: EISDIR.*trying again/.test(line)).length,
          told.length > 0 ? 1 : 0,
        );
        t.is(
          told.some((line) => line.includes('were lost')),
          pieces.refusedBytes > 0,
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('it appends to the end of an existing file', async (t) => {
  const folder = emptyFolder(t);
  for (const text of ['one\n', 'two\n']) {
    const file = new AppendFile(path.join(folder, 'log'), { onFailure: (line) => t.fail(line) });
    file.append(text);
    await file.close();
  }
  t.is(readFileSync(path.join(folder, 'log'), 'utf8'), 'one\ntwo\n');
});

test('append writes nothing itself until the limit is reached, then everything', async (t) => {
  const name = path.join(emptyFolder(t), 'log');
  const file = new AppendFile(name, { limit: 10, onFailure: (line) => t.fail(line) });
  file.append('12345');
  file.append('67890');
  t.false(existsSync(name));
  file.append('abcde');
  t.is(statSync(name).size, 10, 'what waited is written before the append returns');
  await file.close();
  t.is(readFileSync(name, 'utf8'), '1234567890abcde');
});

needing(fullDevice())(
  'a disk that stays full is reported once, and at the end with what is lost; a closed file accepts nothing',
  async (t) => {
    const told: string[] = [];
    const file = new AppendFile('/dev/full', { limit: 20, onFailure: (line) => told.push(line) });
    const taken = Array.from({ length: 5 }, () => file.append('123456789\n'));
    await file.flush();
    await file.close();
    await file.close();
    t.deepEqual(taken, [true, true, false, false, false]);
    t.is(told.length, 2, told.join('\n'));
    t.regex(told[0] ?? '', /^full cannot be written: ENOSPC/);
    t.regex(told[1] ?? '', /^full: 50 bytes could not be written and were lost/);
    t.false(file.append('more'));
  },
);

test('a partial last line of an earlier process does not merge with what is appended', async (t) => {
  const name = path.join(emptyFolder(t), 'log');
  const whole = fc.array(fc.constantFrom('', 'a', 'é'.repeat(40_000)), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(whole, fc.constantFrom('', 'half', 'x'.repeat(70_000)), async (lines, half) => {
      const before = lines.map((line) => `${line}\n`).join('');
      for (const lastLine of ['cut', 'end'] as const) {
        writeFileSync(name, before + half);
        const file = new AppendFile(name, { lastLine, onFailure: (line) => t.fail(line) });
        file.append('next\n');
        await file.flush();
        file.append('and ');
        await file.revise(() => undefined);
        file.append('on\n');
        await file.close();
        const kept = lastLine === 'cut' || half === '' ? '' : `${half}\n`;
        t.is(readFileSync(name, 'utf8'), `${before}${kept}next\nand on\n`);
      }
    }),
    { numRuns: 20 },
  );
});
