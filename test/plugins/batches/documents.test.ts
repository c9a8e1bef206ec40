import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { BatchSource, Dataset, Engine, tf, type Batch, type TokenReader } from '../../../core/index.js';
import { estimateLoss } from '../../../plugins/evaluation/contract.js';
import { packDocuments } from '../../../plugins/batches/documents/packing.js';
import { assertResumes, memoryRanks, testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { shardsFolder, startsOf, type Shard } from '../data/masked.js';

const END = 256;
const meta = { vocab_size: 257, dtype: 'uint16', tokenizer: { tokenizer: 'bytes' } };
const BLOCK = 8;
const model = { n_layer: 1, n_embd: 4, n_head: 1, block_size: BLOCK };

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 });

async function runOn(t: ExecutionContext, shards: readonly Shard[], more: object = {}): Promise<TestRun> {
  const cwd = shardsFolder(t, shards, meta);
  const made = await testRun({ cwd, config: { data: { dir: 'data' }, batches: 'documents', model }, ...more });
  t.teardown(() => made.dispose());
  return made;
}

/** Documents of these lengths, each with an end of text; no token of a document is in another of the next 20. */
function tokensOf(lengths: readonly number[]): number[] {
  return lengths.flatMap((length, document) =>
    Array.from({ length }, (_, i) => (i === length - 1 ? END : (document % 20) * 12 + (i % 12))),
  );
}

interface Piece {
  readonly inputs: number[];
  readonly targets: number[];
}

/** The documents of a batch, and its padding. */
function split({ inputs, targets, documents = new Int32Array(0), batchSize, blockSize }: Batch): Piece[][] {
  return Array.from({ length: batchSize }, (_, row) => {
    const pieces = new Map<number, Piece>();
    for (let at = row * blockSize; at < (row + 1) * blockSize; at++) {
      const piece = pieces.get(documents[at] ?? NaN) ?? { inputs: [], targets: [] };
      piece.inputs.push(inputs[at] ?? NaN);
      piece.targets.push(targets[at] ?? NaN);
      pieces.set(documents[at] ?? NaN, piece);
    }
    return [...pieces.values()];
  });
}

test('each target is served once per epoch after its preceding input in the document, and rows contain nothing else', async (t) => {
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 1, max: 7 }), async (lengths, batchSize) => {
      fc.pre(lengths.some((length) => length > 1));
      const tokens = tokensOf(lengths);
      await using made = await runOn(t, [{ tokens }]);
      const source = made.run.container.resolve(BatchSource);
      const rows = rowsIn(made.run.container.resolve(Dataset).split('train'));
      const served: Piece[][] = [];
      while (served.length < 2 * rows) served.push(...split(await source.next({ batchSize, blockSize: BLOCK })));
      for (const epoch of [served.slice(0, rows), served.slice(rows, 2 * rows)]) {
        const pairs = epoch.flat().flatMap((piece) => piece.inputs.map((input, i) => `${input} ${piece.targets[i]}`));
        const expected = tokens.slice(0, -1).map((token, at) => `${token} ${tokens[at + 1]}`);
        t.deepEqual(
          pairs.filter((pair) => !pair.endsWith(' -1')).sort(),
          expected.filter((pair) => !pair.startsWith(`${END} `)).sort(),
        );
        for (const { inputs, targets } of epoch.flat()) {
          const padding = targets.every((target) => target === -1);
          t.true(padding || inputs.every((input, i) => i === 0 || input === targets[i - 1]));
          if (padding) t.true(inputs.every((input) => input === 0));
        }
      }
    }),
    { numRuns: 15 },
  );
});

function rowsIn(reader: TokenReader): number {
  return packDocuments(reader.documents?.() ?? new Float64Array(0), reader.length, BLOCK).rows;
}

const lengths = Array.from({ length: 50 }, (_, i) => 1 + ((i * 7) % 23));

test('several ranks together serve what one rank does, and each reads only its own rows', async (t) => {
  const shards = [{ tokens: tokensOf(lengths) }];
  const one = (await runOn(t, shards)).run.container.resolve(BatchSource);
  const ranks = memoryRanks(3);
  const each = await Promise.all(ranks.map((rank) => runOn(t, shards, { plugins: [rank] })));
  for (let step = 0; step < 10; step++) {
    const whole = await one.next({ batchSize: 6, blockSize: BLOCK });
    for (const [rank, { run }] of each.entries()) {
      const source = run.container.resolve(BatchSource);
      const own = await source.next({ batchSize: 6, blockSize: BLOCK }, { first: 2 * rank, count: 2 });
      const part = (of: Int32Array | undefined): number[] => [
        ...(of?.slice(2 * rank * BLOCK, 2 * (rank + 1) * BLOCK) ?? []),
      ];
      t.deepEqual([...own.inputs], part(whole.inputs));
      t.deepEqual([...own.targets], part(whole.targets));
      t.deepEqual([...(own.documents ?? [])], part(whole.documents));
    }
  }
});

test('a resumed run serves the same batches; evaluation batches depend only on their number', async (t) => {
  const source = (await runOn(t, [{ tokens: tokensOf(lengths) }])).run.container.resolve(BatchSource);
  const shape = { batchSize: 5, blockSize: BLOCK };
  const first = source.evaluation('val', 0, shape);
  t.notDeepEqual(source.evaluation('val', 1, shape), first);
  await fc.assert(
    fc.asyncProperty(fc.nat(40), fc.integer({ min: 1, max: 40 }), async (before, after) => {
      for (let i = 0; i < before; i++) await source.next(shape);
      const state = JSON.parse(JSON.stringify(source.state())) as unknown;
      const expected: Batch[] = [];
      for (let i = 0; i < after; i++) expected.push(await source.next(shape));
      source.restore(state);
      for (const batch of expected) t.deepEqual(await source.next(shape), batch);
      t.deepEqual(source.evaluation('val', 0, shape), first);
    }),
    { numRuns: 10 },
  );
});

test('prefetched batches equal those read in the loop, also after a change of shape', async (t) => {
  const shards = [{ tokens: tokensOf(lengths) }];
  const sources = await Promise.all(
    [0, 3].map(async (prefetch) => {
      const { run } = await runOn(t, shards, { set: [`batches={strategy: documents, prefetch: ${prefetch}}`] });
      return run.container.resolve(BatchSource);
    }),
  );
  for (let i = 0; i < 40; i++) {
    const shape = { batchSize: i < 25 ? 3 : 5, blockSize: BLOCK };
    const [inLoop, ahead] = sources.map((source) => source.next(shape));
    t.deepEqual(await ahead, await inLoop);
    if (i % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test('the order differs between epochs, progress is the share of the epoch, and packing is logged', async (t) => {
  const made = await runOn(t, [{ tokens: tokensOf(lengths), mask: tokensOf(lengths).map(() => 1) }]);
  const source = made.run.container.resolve(BatchSource);
  const rows = rowsIn(made.run.container.resolve(Dataset).split('train'));
  const shape = { batchSize: rows, blockSize: BLOCK };
  const [one, two] = [split(await source.next(shape)), split(await source.next(shape))];
  t.notDeepEqual(one, two);
  const sorted = (epoch: Piece[][]): string[] => epoch.map((row) => JSON.stringify(row)).sort();
  t.deepEqual(sorted(one), sorted(two));
  await source.next({ batchSize: 1, blockSize: BLOCK });
  t.is(source.progress().progress, 1 / rows);
  const inputs = lengths.reduce((sum, length) => sum + length - 1, 0);
  const padding = (100 * (1 - inputs / (rows * BLOCK))).toFixed(2);
  const packed = new RegExp(`train: 47 documents \\((\\d+) of them cut\\) in ${rows} rows of 8, ${padding} % padding`);
  t.true(
    made.log.some((said) => packed.test(said.line)),
    JSON.stringify(made.log),
  );
});

test('packed documents have the same loss as each on its own', async (t) => {
  const few = [5, 3, 9, 2, 4, 7];
  const config = { data: { dir: 'data' }, batches: 'documents', model: { ...model, rotary: true } };
  const { run } = await runOn(t, [{ tokens: tokensOf(few) }], { config });
  const reader = run.container.resolve(Dataset).split('val');
  const batches = run.container.resolve(BatchSource);
  const shape = { batchSize: rowsIn(reader), blockSize: BLOCK };
  const options = { engine: run.container.resolve(Engine) };
  const packed = await estimateLoss(run.model, batches, 'val', 1, shape, options);
  const alone = few.map((length, i) => {
    const tokens = new Int32Array(length);
    reader.read(startsOf(few)[i] ?? 0, length, tokens, 0);
    const one = (from: number): tf.Tensor2D =>
      tf.tensor2d(tokens.subarray(from, from + length - 1), [1, length - 1], 'int32');
    return tf.tidy(() => run.model.loss(one(0), one(1)).dataSync()[0] ?? NaN) * (length - 1);
  });
  const mean = alone.reduce((sum, loss) => sum + loss, 0) / few.reduce((sum, length) => sum + length - 1, 0);
  t.true(Math.abs(packed - mean) < 1e-5 * mean, `${packed} and ${mean}`);
});

test('ignored targets stay ignored', async (t) => {
  const tokens = tokensOf(lengths);
  const mask = tokens.map((token) => token % 2);
  const source = (await runOn(t, [{ tokens, mask }])).run.container.resolve(BatchSource);
  for (let i = 0; i < 20; i++) {
    const { targets } = await source.next({ batchSize: 4, blockSize: BLOCK });
    t.true(targets.every((target) => target === -1 || target % 2 === 1));
  }
});

test('data without known documents, or without anything to learn, is refused', async (t) => {
  const config = { data: { dir: 'data' }, batches: 'documents', model };
  const unknown = shardsFolder(t, [{ tokens: tokensOf(lengths) }]);
  await t.throwsAsync(testRun({ cwd: unknown, config }), {
    code: 'ESP_DOCUMENTS',
    message: /the train data does not say where its documents begin; prepare it with `espalier prepare`/,
  });
  const empty = shardsFolder(t, [{ tokens: [END, END, END] }], meta);
  await t.throwsAsync(testRun({ cwd: empty, config }), { message: /has no document of two tokens or more/ });
});

test('a resumed run gives the same bits', async (t) => {
  const cwd = shardsFolder(t, [{ tokens: tokensOf(lengths) }], meta);
  await assertResumes({ cwd, iterations: 4, config: { data: { dir: 'data' }, batches: 'documents', model } });
  t.pass();
});
