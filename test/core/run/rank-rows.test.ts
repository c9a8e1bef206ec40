import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import {
  BatchSource,
  Logger,
  type Batch,
  type BatchShape,
  type PluginInstance,
  type Ranks,
} from '../../../core/index.js';
import { shareOfRank } from '../../../core/run/batches.js';
import { testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { textFolder } from '../../text.js';

const MOST_RANKS = 3;

/** Every strategy. */
const strategies = {
  random: 'batches={strategy: random, prefetch: 0}',
  'sequential, prefetched': 'batches=sequential',
  epoch: 'batches={strategy: epoch, prefetch: 0}',
  mixture: 'batches={strategy: mixture, weights: {text.txt: 1}, prefetch: 0}',
  curriculum: 'batches={strategy: curriculum, candidates: 10, round: 3}',
};

/** Returns a run on `text.txt`, with prefetching if the strategy says so. */
async function running(t: ExecutionContext, cwd: string, batches: string): Promise<TestRun> {
  const config = { data: { text: 'text.txt' }, model: { block_size: 32 } };
  const run = await testRun({ cwd, config, set: [batches] });
  t.teardown(() => run.dispose());
  return run;
}

interface Layout {
  readonly ranks: number;
  readonly batchSize: number;
}
const layouts = fc.record({
  ranks: fc.integer({ min: 1, max: MOST_RANKS }),
  batchSize: fc.integer({ min: 1, max: 3 }),
});

for (const [strategy, set] of Object.entries(strategies)) {
  test(`${strategy}: the rows of all ranks are the batch of one rank, even if resumed with another number of ranks`, async (t) => {
    const folder = textFolder(t);
    const source = async (): Promise<BatchSource & PluginInstance> => {
      const { run } = await running(t, folder, set);
      return run.container.resolve(BatchSource);
    };
    const [alone, ...sources] = await Promise.all(Array.from({ length: MOST_RANKS + 1 }, source));
    if (alone === undefined) return t.fail();
    for (const split of ['train', 'val'] as const) {
      const rows = [0, 1, 2].map((rank) => {
        const { whole, rows, take } = shareOfRank(ranks(rank, 3), shape(2));
        return take(alone.evaluation(split, 7, whole, rows));
      });
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
      // Few runs, since each starts workers.
      { numRuns: strategy === 'curriculum' ? 3 : 25 },
    );
  });
}

for (const [strategy, set] of Object.entries(strategies)) {
  test(`${strategy}: windows have the same order however they are divided over micro-batches and ranks`, async (t) => {
    const { run } = await running(t, textFolder(t), set);
    const source: BatchSource & PluginInstance = run.container.resolve(BatchSource);
    const start = source.state();
    const one = tokensOf(await source.next(shape(45)));
    const state = source.state();
    await fc.assert(
      fc.asyncProperty(fc.array(layouts, { minLength: 1, maxLength: 5 }), async (steps) => {
        source.restore(start);
        const rank = ranks(steps.length % 2, 2);
        const all = steps.map(({ ranks: size, batchSize }) => size * batchSize);
        const found: number[] = [];
        for (const count of all) found.push(...(await source.next(shape(count))).inputs);
        t.deepEqual(found, one.inputs.slice(0, found.length));
        // Windows that one of two ranks gets of the 45; an odd one is left over.
        const left = 45 - all.reduce((sum, count) => sum + count, 0);
        const rows = await nextOfRank(source, rank, shape(Math.floor(left / 2)));
        const from = found.length + rank.rank * rows.inputs.length;
        t.deepEqual([...rows.inputs], one.inputs.slice(from, from + rows.inputs.length));
        if (left % 2 === 1) await source.next(shape(1));
        t.deepEqual(source.state(), state);
      }),
      // Few runs, since each starts a worker.
      { numRuns: strategy === 'curriculum' ? 4 : 20 },
    );
  });
}

test('curriculum: an old state without chosen windows keeps what was served, and logs that it chooses again', async (t) => {
  const { run } = await running(t, textFolder(t), strategies.curriculum);
  const said: string[] = [];
  run.container.resolve(Logger).addSink((_level, line) => said.push(line));
  const source: BatchSource = run.container.resolve(BatchSource);
  const instance: PluginInstance = source;
  await source.next(shape(4));
  const { served, rounds, data } = source.state() as { served: number[]; rounds: object; data: string };
  const before = { alpha: 1, chunks: 12, pool: [0, 64], queue: [128], shape: shape(4) };
  t.truthy(rounds);
  instance.restore?.({ served, batches: 3, rounds: before, data }, 1);
  t.regex(
    String(said),
    /^curriculum: the checkpoint is from a version that chose whole batches\. Candidates are now chosen/,
  );
  const state = source.state() as { served: number[]; windows: number; rounds: { chunks: number } };
  t.deepEqual([state.served, state.windows, state.rounds.chunks], [served, 12, 12]);
  await source.next(shape(4));
  t.is((source.state() as { windows: number }).windows, 16);
});

test('the core splits the batches of a strategy that ignores ranks, and refuses too small ones', async (t) => {
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
    message: /gave 5 windows instead of 2 or 6/,
  });
});

async function nextOfRank(source: BatchSource, rank: Ranks, each: BatchShape): Promise<Batch> {
  const { whole, rows, take } = shareOfRank(rank, each);
  return take(await source.next(whole, rows));
}

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

/** [rows, block] of consecutive numbers; each target is the next number. */
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
