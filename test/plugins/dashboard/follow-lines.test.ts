import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { LineFollower } from '../../../plugins/dashboard/server/follow-lines.js';

interface Followed {
  file: string;
  /** Lines since the last reset. */
  lines: string[];
  resets: number;
  read: () => Promise<boolean>;
}

function follow(t: ExecutionContext): Followed {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const file = path.join(folder, 'lines.jsonl');
  const follower = new LineFollower(file);
  const followed: Followed = {
    file,
    lines: [],
    resets: 0,
    read: () =>
      follower.read(
        (line) => followed.lines.push(line),
        () => {
          followed.lines = [];
          followed.resets++;
        },
      ),
  };
  return followed;
}

test('lines are read once, whole, and as they come', async (t) => {
  const followed = follow(t);
  t.false(await followed.read(), 'there is no file yet');
  writeFileSync(followed.file, 'one\ntwo\nth');
  t.true(await followed.read());
  t.deepEqual(followed.lines, ['one', 'two']);
  t.false(await followed.read());
  appendFileSync(followed.file, 'ree\n\nfour\n');
  t.true(await followed.read());
  t.deepEqual(followed.lines, ['one', 'two', 'three', 'four']);
  t.is(followed.resets, 0);
});

test('a file that was cut, replaced or removed is read again from its start', async (t) => {
  const followed = follow(t);
  writeFileSync(followed.file, 'one\ntwo\nthree\n');
  await followed.read();
  truncateSync(followed.file, 4);
  await followed.read();
  t.deepEqual([followed.lines, followed.resets], [['one'], 1]);

  // Cut and grown again beyond what was read, between two looks.
  writeFileSync(followed.file, 'other\nlines\nthat are more\n');
  await followed.read();
  t.deepEqual([followed.lines, followed.resets], [['other', 'lines', 'that are more'], 2]);

  writeFileSync(`${followed.file}.new`, 'other\nlines\nthat are new\n');
  renameSync(`${followed.file}.new`, followed.file);
  await followed.read();
  t.deepEqual([followed.lines, followed.resets], [['other', 'lines', 'that are new'], 3]);

  rmSync(followed.file);
  t.true(await followed.read());
  t.deepEqual([followed.lines, followed.resets], [[], 4]);
  mkdirSync(followed.file);
  t.false(await followed.read(), 'a folder of that name has no lines');
});

test('any text written in any pieces gives its lines', async (t) => {
  const line = fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replaceAll(/[\n\r]/g, ''));
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat(40)), async (lines, cuts) => {
      const followed = follow(t);
      const bytes = Buffer.from(lines.map((each) => `${each}\n`).join(''));
      writeFileSync(followed.file, '');
      let at = 0;
      for (const size of [...cuts, bytes.length]) {
        appendFileSync(followed.file, bytes.subarray(at, at + size));
        at += size;
        await followed.read();
      }
      t.deepEqual(
        followed.lines,
        lines.filter((each) => each !== ''),
      );
    }),
    { numRuns: 40 },
  );
});
