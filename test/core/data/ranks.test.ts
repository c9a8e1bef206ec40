import test from 'ava';
import fc from 'fast-check';
import {
  BatchSource,
  Logger,
  type Batch,
  type BatchShape,
  type PluginInstance,
  type Ranks,
} from '../../../core/index.js';
import { evaluationOfRank, nextOfRank } from '../../../core/data/rank-rows.js';
import { debugRun, textFolder } from '../run/debug-run.js';

const MOST_RANKS = 3;

/** Every strategy. */
const strategies = {
  random: 'batches={strategy: random, prefetch: 0}',
  'sequential, read ahead': 'batches=sequential',
  epoch: 'batches={strategy: epoch, prefetch: 0}',
  mixture: 'batches={strategy: mixture, weights: {text.txt: 1}, prefetch: 0}',
  curriculum: 'batches={strategy: curriculum, candidates: 10, round: 3}',
};

interface Layout {
  readonly ranks: number;
  readonly batchSize: number;
}
const layouts = fc.record({
  ranks: fc.integer({ min: 1, max: MOST_RANKS }),
  batchSize: fc.integer({ min: 1, max: 3 }),
});

for (const [strategy, set] of Object.entries(strategies)) {
  test(`${strategy}: the rows of the ranks are the batch of one rank, also where another number goes on`, async (t) => {
    const folder = textFolder(t);
    const source = async (): Promise<BatchSource & PluginInstance> => {
      const { run } = await debugRun(t, folder, set, 'plugins={checkpoint: null, signals: null}');
      await run.setUp();
      return run.container.resolve(BatchSource);
    };
    const [alone, ...sources] = await Promise.all(Array.from({ length: MOST_RANKS + 1 }, source));
    if (alone === undefined) return t.fail();
    for (const split of ['train', 'val'] as const) {
      const rows = [0, 1, 2].map((rank) => evaluationOfRank(alone, ranks(rank, 3), split, 7, shape(2)));
      t.deepEqual(joined(rows), tokensOf(alone.evaluation(split, 7, shape(6))));
    }
    const start = alone.state();
    const blocks = fc.constantFrom(8, 32);
    const counts = fc.integer({ min: 1, max: 8 });
    await fc.assert(
      fc.asyncProperty(layouts, layouts, blocks, counts, counts, async (before, after, blockSize, first, second) => {
        let state: unknown = start;
        for (const [layout, count] of [[before, first] as const, [after, second] as const]) {
          const together = sources.slice(0, layout.ranks);
          for (const each of [alone, ...together]) each.restore(JSON.parse(JSON.stringify(state)));
          for (let i = 0; i < count; i++) {
            const whole = await alone.next({ batchSize: layout.ranks * layout.batchSize, blockSize });
            t.deepEqual(joined(await rowsOf(together, layout, blockSize)), tokensOf(whole));
          }
          state = alone.state();
          for (const each of together) t.deepEqual(each.state(), state);
        }
      }),
      // Its candidates are chosen anew for each layout.
      { numRuns: strategy === 'curriculum' ? 3 : 25 },
    );
  });
}

test('windows come in one order, however they are divided over ranks and micro-batches', async (t) => {
  for (const strategy of ['random', 'sequential', 'epoch']) {
    const { run } = await debugRun(t, textFolder(t), `batches={strategy: ${strategy}, prefetch: 0}`);
    await run.setUp();
    const source = run.container.resolve(BatchSource);
    const start = source.state();
    const one = tokensOf(await source.next(shape(24)));
    await fc.assert(
      fc.asyncProperty(fc.array(layouts, { minLength: 1, maxLength: 5 }), async (steps) => {
        source.restore(start);
        const served: number[] = [];
        for (const { ranks: size, batchSize } of steps) {
          const state = source.state();
          for (let rank = 0; rank < size; rank++) {
            source.restore(state);
            served.push(...(await nextOfRank(source, ranks(rank, size), shape(batchSize))).inputs);
          }
        }
        const compared = one.inputs.slice(0, served.length);
        t.deepEqual(served.slice(0, compared.length), compared);
      }),
      { numRuns: 20 },
    );
  }
});

test('curriculum: says that a micro-batch of another size has it choose anew', async (t) => {
  const { run } = await debugRun(t, textFolder(t), strategies.curriculum);
  await run.setUp();
  const said: string[] = [];
  run.container.resolve(Logger).addSink((_level, line) => said.push(line));
  const source = run.container.resolve(BatchSource);
  for (const size of [2, 2, 3]) await nextOfRank(source, ranks(1, size), shape(2));
  t.deepEqual(said, [
    'curriculum: a micro-batch, of all ranks together, is 6 × 16 tokens and was 4 × 16 tokens: candidates are chosen anew; what was served counts as before',
  ]);
});

test('a strategy that knows nothing of ranks is divided by the core, and one that gives too little is refused', async (t) => {
  const numbered = (rows: number): BatchSource => ({
    next: ({ blockSize }: BatchShape) => numbers(rows, blockSize),
    evaluation: (_split, _index, { blockSize }: BatchShape) => numbers(rows, blockSize),
    progress: () => ({ shard: 0, position: 0 }),
    state: () => 0,
    restore: () => undefined,
  });
  const second = await nextOfRank(numbered(6), ranks(1, 3), { batchSize: 2, blockSize: 4 });
  t.deepEqual(tokensOf(second), { inputs: [8, 9, 10, 11, 12, 13, 14, 15], targets: [9, 10, 11, 12, 13, 14, 15, 16] });
  t.is(second.batchSize, 2);
  await t.throwsAsync(nextOfRank(numbered(5), ranks(1, 3), { batchSize: 2, blockSize: 4 }), {
    message: /gave 5 windows, asked for 2 of 6/,
  });
});

function ranks(rank: number, size: number): Ranks {
  return { rank, size, average: (values) => values };
}

function shape(batchSize: number): BatchShape {
  return { batchSize, blockSize: 16 };
}

async function rowsOf(sources: readonly BatchSource[], { batchSize }: Layout, blockSize: number): Promise<Batch[]> {
  const each = sources.map((source, rank) => nextOfRank(source, ranks(rank, sources.length), { batchSize, blockSize }));
  return Promise.all(each);
}

/** [rows, block] of numbers in a row; targets are one on. */
function numbers(batchSize: number, blockSize: number): Batch {
  const inputs = Int32Array.from({ length: batchSize * blockSize }, (_, i) => i);
  return { inputs, targets: inputs.map((i) => i + 1), batchSize, blockSize };
}

function tokensOf({ inputs, targets }: Batch): { inputs: number[]; targets: number[] } {
  return { inputs: [...inputs], targets: [...targets] };
}

function joined(parts: readonly Batch[]): { inputs: number[]; targets: number[] } {
  return {
    inputs: parts.flatMap(({ inputs }) => [...inputs]),
    targets: parts.flatMap(({ targets }) => [...targets]),
  };
}
