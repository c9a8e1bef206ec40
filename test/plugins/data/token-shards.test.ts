import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { Dataset, UsageError } from '../../../core/index.js';
import { windowsAt } from '../../../plugins/index.js';
import type { Run } from '../../../core/run/run.js';
import { makeRun } from '../../../core/run/make.js';
import { emptyFolder } from '../../e2e/command.js';

function uint16(...tokens: number[]): Uint8Array {
  return Uint8Array.from(tokens.flatMap((token) => [token & 0xff, token >> 8]));
}

/** A folder with the given files, read as `data.dir`. */
async function shards(t: ExecutionContext, files: Record<string, Uint8Array | string>, ...set: string[]): Promise<Run> {
  const cwd = emptyFolder(t);
  mkdirSync(path.join(cwd, 'tokens'));
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(cwd, 'tokens', name), content);
  return setUp(t, cwd, 'data={dir: tokens}', ...set);
}

async function setUp(t: ExecutionContext, cwd: string, ...set: string[]): Promise<Run> {
  const { run } = await makeRun({
    cwd,
    presets: ['debug'],
    set: ['engine=cpu', 'model={n_embd: 4, n_head: 1, n_layer: 1, block_size: 2}', ...set],
    only: ['engine', 'tokenizer', 'data', 'model'],
  });
  t.teardown(() => run.dispose());
  await run.setUp();
  return run;
}

function dataset(run: Run): Dataset {
  return run.container.resolve(Dataset);
}

function read(run: Run, at: number, count: number): number[] {
  const into = new Int32Array(count + 2).fill(-7);
  dataset(run).split('train').read(at, count, into, 1);
  if (into.at(0) !== -7 || into.at(-1) !== -7) throw new Error('it wrote outside its place');
  return [...into.subarray(1, count + 1)];
}

test('tokens are uint16, the low byte first', async (t) => {
  const run = await shards(t, {
    'train.bin': Uint8Array.from([1, 0, 0, 1, 0xff, 0x7f, 0x34, 0x12]),
    'val.bin': uint16(2, 3),
  });
  t.is(dataset(run).split('train').length, 4);
  t.deepEqual(read(run, 0, 4), [1, 256, 32767, 0x1234]);
  t.is(dataset(run).split('val').length, 2);
});

test('several files are one sequence in the order of their names, read at any position', async (t) => {
  const tokens = Array.from({ length: 23 }, (_, i) => (i * 37) % 50);
  const cuts = [0, 5, 6, 17, 23];
  const files = Object.fromEntries(
    cuts.slice(1).map((end, i) => [`text_train_00000${i}.bin`, uint16(...tokens.slice(cuts[i], end))]),
  );
  const run = await shards(t, { ...files, 'text_val_000000.bin': uint16(1, 2, 3) });
  t.is(dataset(run).split('train').length, tokens.length);
  const windows = fc.nat(tokens.length).chain((at) => fc.tuple(fc.constant(at), fc.nat(tokens.length - at)));
  fc.assert(
    fc.property(windows, ([at, count]) => {
      t.deepEqual(read(run, at, count), tokens.slice(at, at + count));
    }),
  );
});

test('the last window ends at the last token; a later one is refused', async (t) => {
  const run = await shards(t, { 'train.bin': uint16(1, 2, 3, 4, 5), 'val.bin': uint16(1, 2, 3) });
  const reader = dataset(run).split('train');
  const batch = windowsAt(reader, [0, 2], { batchSize: 2, blockSize: 2 });
  t.deepEqual([...batch.inputs], [1, 2, 3, 4]);
  t.deepEqual([...batch.targets], [2, 3, 4, 5]);
  t.throws(() => windowsAt(reader, [3], { batchSize: 1, blockSize: 2 }), { instanceOf: RangeError });
});

test('reading beyond the end of a text is refused', async (t) => {
  const cwd = emptyFolder(t);
  writeFileSync(path.join(cwd, 'a.txt'), 'abcabcabca');
  const run = await setUp(t, cwd, 'data={text: a.txt, val_fraction: 0.3}');
  t.is(dataset(run).split('train').length, 7);
  t.is(dataset(run).split('val').length, 3);
  t.deepEqual(read(run, 4, 3), [1, 2, 0]);
  t.throws(() => read(run, 5, 3), { instanceOf: RangeError });
});

test('the vocabulary size comes from meta.json, else the model, else the largest id', async (t) => {
  const files = { 'train.bin': uint16(1, 2, 9, 4), 'val.bin': uint16(1, 12, 3) };
  t.is(dataset(await shards(t, files)).vocabSize, 13);
  t.is(dataset(await shards(t, files, 'model.vocab_size=20')).vocabSize, 20);
  t.is(dataset(await shards(t, { ...files, 'meta.json': '{"vocab_size": 30, "other": 1}' })).vocabSize, 30);
});

test('the tokenizer comes from meta.json, or from nanoGPT’s itos', async (t) => {
  const bins = { 'train.bin': uint16(0, 1, 2), 'val.bin': uint16(2, 1, 0) };
  t.is(dataset(await shards(t, bins)).tokenizer, undefined);
  for (const meta of [{ itos: { 0: 'x', 1: 'y', 2: 'z' } }, { tokenizer: { tokenizer: 'char', characters: 'xyz' } }]) {
    const run = await shards(t, { ...bins, 'meta.json': JSON.stringify({ vocab_size: 3, ...meta }) });
    t.is(await dataset(run).tokenizer?.decode([2, 0, 1]), 'zxy');
  }
});

const good = { 'train.bin': uint16(1, 2, 3), 'val.bin': uint16(1, 2, 3) };
const refused: { what: string; files: Record<string, Uint8Array | string>; set?: string[]; message: RegExp }[] = [
  {
    what: 'a file of odd length',
    files: { ...good, 'val.bin': new Uint8Array(7) },
    message: /val\.bin has 7 bytes.*cut off/,
  },
  {
    what: 'an id over the vocabulary of meta.json',
    files: { ...good, 'train.bin': uint16(1, 2, 65), 'meta.json': '{"vocab_size": 65}' },
    message: /train\.bin: token 2 has the id 65, but the vocabulary has 65/,
  },
  {
    what: 'an id over the model’s vocabulary',
    files: { ...good, 'val.bin': uint16(0, 300, 1) },
    set: ['model.vocab_size=256'],
    message: /val\.bin: token 1 has the id 300, but the vocabulary has 256/,
  },
  { what: 'no validation tokens', files: { 'train.bin': uint16(1, 2) }, message: /tokens has no val\.bin/ },
  { what: 'a meta.json that is no JSON', files: { ...good, 'meta.json': '{' }, message: /meta\.json cannot be used/ },
  {
    what: 'a vocabulary of words',
    files: { ...good, 'meta.json': '{"vocab_size": "many"}' },
    message: /meta\.json cannot be used.*vocab_size/s,
  },
];

for (const { what, files, set = [], message } of refused) {
  test(`refused, naming the file: ${what}`, async (t) => {
    const error = await t.throwsAsync(shards(t, files, ...set));
    t.true(error.cause instanceof UsageError, 'a mistake of the user');
    t.regex(error.message, message);
  });
}

test('the files are closed at the end of the run', async (t) => {
  const run = await shards(t, good);
  await run.dispose();
  t.throws(() => read(run, 0, 1), { message: /train\.bin is closed/ });
});
