import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { BatchSource, Dataset, Engine, type TokenReader } from '../../../core/index.js';
import { MemoryReader, openShared } from '../../../plugins/data/contract.js';
import { fullLoss } from '../../../plugins/evaluation/contract.js';
import { MemoryCheckpoints, testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { espalier } from '../../e2e/warm.js';
import { shardsFolder, type Shard } from './masked.js';

const END = 256;
const bytesMeta = { vocab_size: 257, dtype: 'uint16', tokenizer: { tokenizer: 'bytes' } };
const smallModel = { n_layer: 1, n_embd: 4, n_head: 1, block_size: 8 };

async function runOn(t: ExecutionContext, cwd: string, set: string[] = [], data: object = {}): Promise<TestRun> {
  const made = await testRun({ cwd, config: { data: { dir: 'data', ...data }, model: smallModel }, set });
  t.teardown(() => made.dispose());
  return made;
}

async function readerOf(t: ExecutionContext, cwd: string): Promise<TokenReader> {
  return (await runOn(t, cwd)).run.container.resolve(Dataset).split('train');
}

function targets(reader: TokenReader, at: number, count: number): number[] {
  const into = new Int32Array(count + 2).fill(-7);
  (reader.readTargets ?? reader.read.bind(reader))(at, count, into, 1);
  if (into[0] !== -7 || into.at(-1) !== -7) throw new Error('it wrote outside of its part');
  return [...into.subarray(1, -1)];
}

const shard = fc.array(fc.tuple(fc.nat(END), fc.nat(1)), { minLength: 9, maxLength: 40 }).chain((pairs) =>
  fc.record({
    tokens: fc.constant(pairs.map(([token]) => token)),
    mask: fc.option(fc.constant(pairs.map(([, bit]) => bit)), { nil: undefined }),
  }),
);

test('targets follow the masks, in this thread and in workers, and a mask changes the id', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(shard, { minLength: 1, maxLength: 3 }), fc.gen(), async (shards, draw) => {
      const folder = shardsFolder(t, shards, bytesMeta);
      const reader = await readerOf(t, folder);
      const expected = shards.flatMap(({ tokens, mask }) =>
        tokens.map((token, i) => (mask === undefined || mask[i] === 1 ? token : -1)),
      );
      t.is(reader.readTargets === undefined, !shards.some(({ mask }) => mask !== undefined));
      const readers = [reader, await openShared(reader.share())];
      const tokens = Int32Array.from(shards.flatMap((each) => each.tokens));
      const memory = new MemoryReader(tokens, 'text', { targets: Int32Array.from(expected) });
      for (const each of [...readers, memory, await openShared(structuredClone(memory.share()))]) {
        const at = draw(fc.nat, expected.length - 1);
        const count = draw(fc.nat, expected.length - at);
        t.deepEqual(targets(each, at, count), expected.slice(at, at + count));
      }
      const plain = await readerOf(
        t,
        shardsFolder(
          t,
          shards.map((each) => ({ tokens: each.tokens })),
          bytesMeta,
        ),
      );
      t.is(plain.id === reader.id, reader.readTargets === undefined);
    }),
    { numRuns: 12 },
  );
});

test('documents begin where `.documents` files say, or without them after each end of text', async (t) => {
  const words = [1, 2, END, 3, END, END, 4, 5, END];
  const found = async (shards: readonly Shard[]): Promise<number[]> => {
    const reader = await readerOf(t, shardsFolder(t, shards, bytesMeta));
    const shared = await openShared(reader.share());
    t.deepEqual(shared.documents?.(), reader.documents?.());
    return [...(reader.documents?.() ?? [])];
  };
  const rest = [6, 7, END, 8, 9, 1, 2, 3, 4];
  t.deepEqual(await found([{ tokens: words }, { tokens: rest }]), [0, 3, 5, 6, 9, 12]);
  t.deepEqual(await found([{ tokens: [...words, 1] }, { tokens: rest }]), [0, 3, 5, 6, 9, 13]);
  t.deepEqual(
    await found([
      { tokens: words, documents: [0, 4] },
      { tokens: rest, documents: [5] },
    ]),
    [0, 4, 14],
  );
  t.deepEqual(
    await found([
      { tokens: words, documents: [1] },
      { tokens: rest, documents: [] },
    ]),
    [0, 1],
  );
  const memory = new MemoryReader(Int32Array.from(words), 'text', { endOfText: END });
  t.deepEqual([...(memory.documents() ?? [])], [0, 3, 5, 6]);
  t.is(new MemoryReader(Int32Array.from(words), 'text').documents(), undefined);
  const unknown = await readerOf(t, shardsFolder(t, [{ tokens: words }]));
  t.is(unknown.documents?.(), undefined);
});

const tokens = Array.from({ length: 400 }, (_, i) => i % 200);
/** Of even tokens nothing is learned. */
const odd = tokens.map((token) => token % 2);

for (const [what, set] of [
  ['random', 'batches=random'],
  ['random, without prefetching', 'batches={strategy: random, prefetch: 0}'],
  ['epoch', 'batches=epoch'],
  ['mixture', 'batches={strategy: mixture, weights: {data: 1}}'],
  ['curriculum', 'batches={strategy: curriculum, candidates: 20, round: 4}'],
] as const) {
  test(`${what}: no target is a token that is not learned, in training and evaluation`, async (t) => {
    const { run } = await runOn(t, shardsFolder(t, [{ tokens, mask: odd }], bytesMeta), [set]);
    const source = run.container.resolve(BatchSource);
    const shape = { batchSize: 3, blockSize: 8 };
    for (let i = 0; i < 20; i++) {
      for (const batch of [await source.next(shape), source.evaluation('val', i, shape)]) {
        const expected = batch.inputs.map((token) => (((token + 1) % 200) % 2 === 1 ? (token + 1) % 200 : -1));
        t.deepEqual(batch.targets, expected);
      }
    }
  });
}

test('the loss of a whole split ignores tokens that are not learned', async (t) => {
  const seen = async (mask: number[] | undefined): Promise<number> => {
    const { run } = await runOn(t, shardsFolder(t, [{ tokens, mask }], bytesMeta));
    const reader = run.container.resolve(Dataset).split('val');
    return fullLoss(run.model, reader, { batchSize: 4, blockSize: 8 }, { engine: run.container.resolve(Engine) });
  };
  const whole = await seen(undefined);
  t.is(await seen(tokens.map(() => 1)), whole);
  t.not(await seen(odd), whole);
});

test('a shrunken vocabulary keeps ignored targets and document starts', async (t) => {
  const folder = shardsFolder(t, [{ tokens, mask: odd, documents: [0, 50] }], bytesMeta);
  const built = await espalier(folder, 'vocab', 'build', 'data', '--size', '100', '-o', 'map.json');
  t.is(built.code, 0, built.err);
  const { run } = await runOn(t, folder, ['plugins.vocab-remap.file=map.json']);
  const reader = run.container.resolve(Dataset).split('train');
  for (const each of [reader, await openShared(reader.share())]) {
    const ids = new Int32Array(tokens.length);
    each.read(0, ids.length, ids, 0);
    t.deepEqual(
      targets(each, 0, tokens.length),
      odd.map((bit, i) => (bit === 1 ? (ids[i] ?? 0) : -1)),
    );
    t.deepEqual([...(each.documents?.() ?? [])], [0, 50]);
  }
});

test('files next to a shard are checked like the shard', async (t) => {
  const made = shardsFolder(t, []);
  writeFileSync(
    path.join(made, 'a.jsonl'),
    '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n'.repeat(20),
  );
  const prepared = await espalier(made, 'prepare', 'a.jsonl', '--chat', '-t', 'bytes', '-o', 'data', '--force');
  t.is(prepared.code, 0, prepared.err);
  const file = (name: string): string => path.join(made, 'data', name);
  const changed = async (name: string, change: (bytes: Buffer) => Uint8Array | undefined): Promise<string> => {
    const before = readFileSync(file(name));
    const after = change(Buffer.from(before));
    if (after === undefined) rmSync(file(name));
    else writeFileSync(file(name), after);
    const refused = await t.throwsAsync(runOn(t, made));
    writeFileSync(file(name), before);
    return refused.message;
  };
  const flipped = (bytes: Buffer): Uint8Array => bytes.fill(0xff, 0, 1);
  t.regex(await changed('train_000001.mask', flipped), /train_000001\.mask does not have the SHA-256/);
  t.regex(await changed('val_000001.documents', flipped), /val_000001\.documents does not have the SHA-256/);
  t.regex(await changed('train_000001.mask', () => undefined), /it lists train_000001\.mask, which does not exist/);
  t.regex(
    await changed('train_000001.mask', (bytes) => bytes.subarray(1)),
    /train_000001\.mask has \d+ bytes and must hold \d+ bits/,
  );
  t.regex(
    await changed('train_000001.documents', (bytes) => bytes.subarray(1)),
    /has \d+ bytes and must hold whole numbers of 64 bits/,
  );
  const unlisted = (bytes: Buffer): Uint8Array => Buffer.from(bytes.toString().replace(/"mask": \{[^}]*\},?/, ''));
  t.regex(await changed('meta.json', unlisted), /it does not list train_000001\.mask/);
  const newer = (bytes: Buffer): Uint8Array =>
    Buffer.from(bytes.toString().replace(/("mask": \{\s*"format": )1/, '$12'));
  t.regex(await changed('meta.json', newer), /meta\.json cannot be used: [^]*shards\.train\[0\]\.mask\.format/);

  const wrong = await readerOf(t, shardsFolder(t, [{ tokens, documents: [0, 9, 9] }]));
  t.throws(() => wrong.documents?.(), {
    message: /train_000001\.documents: document 3 begins at 9, which is not after/,
  });
});

test('a run is not resumed with another loss mask', async (t) => {
  const folder = shardsFolder(t, [{ tokens, mask: odd }], bytesMeta);
  const checkpoints = new MemoryCheckpoints();
  const options = { cwd: folder, checkpoints, config: { data: { dir: 'data' }, model: smallModel } };
  const first = await testRun({ ...options, iterations: 1 });
  await first.train();
  await first.dispose();
  writeFileSync(path.join(folder, 'data/train_000001.mask'), new Uint8Array(50));
  await t.throwsAsync(testRun({ ...options, iterations: 2 }), {
    message: /train_000001\.bin \(train\) has another loss mask/,
  });
});
