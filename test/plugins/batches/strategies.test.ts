import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { BatchSource, RandomStreams, Tunables, type Batch } from '../../../core/index.js';
import { permutation } from '../../../plugins/index.js';
import { makeRun } from '../../../core/run/make.js';
import type { Run } from '../../../core/run/run.js';
import { ServedTokens } from '../../../plugins/batches/contract.js';
import { emptyFolder } from '../../e2e/command.js';

const BLOCK = 8;

/** A run on token files of the given folders, with windows of 8 tokens. */
async function onTokens(
  t: ExecutionContext,
  folders: Record<string, Uint16Array>,
  batches: string,
): Promise<{ run: Run; cwd: string }> {
  const cwd = emptyFolder(t);
  for (const [name, tokens] of Object.entries(folders)) {
    mkdirSync(path.join(cwd, name), { recursive: true });
    for (const split of ['train', 'val']) writeFileSync(path.join(cwd, name, `${split}.bin`), tokens);
  }
  const set = ['engine=cpu', `data={dir: [${Object.keys(folders).join(', ')}]}`, `model.block_size=${BLOCK}`];
  const { run } = await makeRun({ cwd, presets: ['debug'], set: [...set, `batches=${batches}`] });
  t.teardown(() => run.dispose());
  await run.setUp();
  return { run, cwd };
}

async function serve(run: Run, count: number, batchSize = 4): Promise<Batch[]> {
  const source = run.container.resolve(BatchSource);
  const batches: Batch[] = [];
  for (let i = 0; i < count; i++) batches.push(await source.next({ batchSize, blockSize: BLOCK }));
  return batches;
}

test('a permutation contains each index once, for any size', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(1000), (size, seed) => {
      const at = permutation(size, new RandomStreams(seed).at('order', 0));
      const places = Array.from({ length: size }, (_, i) => at(i)).sort((a, b) => a - b);
      t.deepEqual(places, [...places.keys()]);
    }),
    { numRuns: 30 },
  );
});

test('epoch: every window is served once per epoch, in a different order each time', async (t) => {
  const tokens = Uint16Array.from({ length: 20 * BLOCK + 1 }, (_, i) => i);
  const { run } = await onTokens(t, { data: tokens }, 'epoch');
  const orders: number[][] = [];
  for (let epoch = 0; epoch < 3; epoch++) {
    const batches = await serve(run, 5);
    orders.push(batches.flatMap(({ inputs }) => [...inputs.filter((_, i) => i % BLOCK === 0)].map((id) => id / BLOCK)));
    t.is(run.container.resolve(BatchSource).progress().progress, 0);
  }
  for (const order of orders)
    t.deepEqual(
      [...order].sort((a, b) => a - b),
      [...Array(20).keys()],
    );
  t.notDeepEqual(orders[0], orders[1]);
  t.notDeepEqual(orders[1], orders[2]);
});

test('mixture: folders are served by weight regardless of size, and no window crosses folders', async (t) => {
  const folders = { big: new Uint16Array(5000).fill(1), small: new Uint16Array(300).fill(2) };
  const { run } = await onTokens(t, folders, '{strategy: mixture, weights: {big: 1, small: 3}}');
  const batches = await serve(run, 300);
  let small = 0;
  for (const { inputs, targets } of batches) {
    for (let row = 0; row < 4; row++) {
      const window = [
        ...inputs.subarray(row * BLOCK, (row + 1) * BLOCK),
        ...targets.subarray(row * BLOCK, (row + 1) * BLOCK),
      ];
      t.is(new Set(window).size, 1);
      if (window[0] === 2) small++;
    }
  }
  const deviation = Math.sqrt(0.75 * 0.25 * 1200);
  t.true(Math.abs(small - 900) < 4 * deviation, `${small} of 1200`);
});

test('mixture: weights that do not match the folders are refused by name', async (t) => {
  const folders = { a: new Uint16Array(300), b: new Uint16Array(300) };
  const weights = (text: string): Promise<unknown> => onTokens(t, folders, `{strategy: mixture, weights: ${text}}`);
  await t.throwsAsync(weights('{a: 1}'), { message: /b has no weight; give each of data\.dir a weight: a, b/ });
  await t.throwsAsync(weights('{a: 1, b: 1, c: 1}'), { message: /there is no c/ });
});

test('changing the batch shape drops prefetched batches without skipping windows', async (t) => {
  const tokens = Uint16Array.from({ length: 50 * BLOCK + 1 }, (_, i) => i);
  const { run } = await onTokens(t, { data: tokens }, 'sequential');
  const first = [...(await serve(run, 3, 2)), ...(await serve(run, 2, 5)), ...(await serve(run, 1, 1))];
  t.deepEqual(
    first.flatMap(({ inputs }) => [...inputs]),
    [...Array(17 * BLOCK).keys()],
  );
});

/** A corpus of 64 tokens with Zipf's shares, each kind of passage with tokens of its own. */
function skewed(): Uint16Array {
  const random = new RandomStreams(7).at('corpus', 0);
  const tokens = new Uint16Array(60_000);
  for (let at = 0; at < tokens.length; at += 100) {
    const kind = Math.min(7, Math.floor(-Math.log(1 - random.float()) * 1.2));
    for (let i = at; i < at + 100; i++) tokens[i] = 8 * kind + random.below(8);
  }
  return tokens;
}

async function distances(t: ExecutionContext, alpha: number): Promise<{ corpus: number; uniform: number }> {
  const { run } = await onTokens(
    t,
    { data: skewed() },
    `{strategy: curriculum, alpha: ${alpha}, candidates: 1600, round: 40}`,
  );
  const values: Record<string, number> = {};
  run.bus.on('metrics', (metrics) => Object.assign(values, metrics.values));
  await serve(run, 200);
  await run.bus.dispatch('evaluation:end', { iteration: 200, losses: { train: 0, val: 0 } });
  return { corpus: values['batches/distance_to_corpus'] ?? NaN, uniform: values['batches/distance_to_uniform'] ?? NaN };
}

test('curriculum: alpha 1 moves the served tokens towards uniform, alpha 0 keeps the corpus’s distribution', async (t) => {
  const corpusToUniform = (await distances(t, 0)).uniform;
  const tracking = await distances(t, 0);
  const uniform = await distances(t, 1);
  t.log({ tracking, uniform });
  t.true(tracking.corpus < 0.02, String(tracking.corpus));
  t.true(uniform.uniform < 0.5 * corpusToUniform, `${uniform.uniform} and ${corpusToUniform}`);
});

test('curriculum: what is served does not depend on the worker’s speed, and a new alpha applies at once', async (t) => {
  const served = async (pause: number): Promise<Batch[]> => {
    const { run } = await onTokens(t, { data: skewed() }, '{strategy: curriculum, candidates: 240, round: 24}');
    const batches = await serve(run, 9);
    await new Promise((resolve) => setTimeout(resolve, pause));
    batches.push(...(await serve(run, 7)));
    run.container.resolve(Tunables).set('curriculum_alpha', 0.2);
    return [...batches, ...(await serve(run, 20))];
  };
  const slow = await served(300);
  t.deepEqual(await served(0), slow);
  const { run } = await onTokens(t, { data: skewed() }, '{strategy: curriculum, candidates: 240, round: 24}');
  t.notDeepEqual(await serve(run, 36), slow);
});

test('curriculum: token counts are cached next to the data, and computed again when it changes', async (t) => {
  const tokens = skewed();
  const { run, cwd } = await onTokens(t, { data: tokens }, '{strategy: curriculum, candidates: 10, round: 5}');
  await serve(run, 1);
  const file = path.join(cwd, 'data/corpus-counts.json');
  const counts = (): number[] => (JSON.parse(readFileSync(file, 'utf8')) as { counts: number[] }).counts;
  const expected = Array<number>(64).fill(0);
  for (const id of tokens) expected[id] = (expected[id] ?? 0) + 1;
  t.deepEqual(counts(), expected);

  writeFileSync(
    path.join(cwd, 'data/train.bin'),
    tokens.map((id) => (id === 0 ? 63 : id)),
  );
  const again = await makeRun({
    cwd,
    presets: ['debug'],
    set: ['engine=cpu', 'data={dir: data}', `model.block_size=${BLOCK}`, 'batches={strategy: curriculum, round: 5}'],
  });
  t.teardown(() => again.run.dispose());
  await again.run.setUp();
  await serve(again.run, 1);
  t.is(counts()[0], 0);
  t.is(counts()[63], (expected[63] ?? 0) + (expected[0] ?? 0));
});

test('curriculum: tokens that are not outliers are the most-served ones, up to the given share', async (t) => {
  const { run } = await onTokens(t, { data: skewed() }, '{strategy: curriculum, candidates: 160, round: 20}');
  const batches = await serve(run, 20);
  const counts = new Map<number, number>();
  for (const id of batches.flatMap(({ inputs }) => [...inputs])) counts.set(id, (counts.get(id) ?? 0) + 1);
  const statistics = run.container.resolve(ServedTokens);
  const share = (ids: number[]): number => ids.reduce((sum, id) => sum + (counts.get(id) ?? 0), 0) / (20 * 4 * BLOCK);
  const core = statistics.nonOutlierTokens(0.3);
  t.true(share(core) >= 0.7 && share(core.slice(0, -1)) < 0.7);
  t.is(new Set(statistics.nonOutlierTokens(0)).size, counts.size);
});

test('curriculum: a batch may have more windows than the data has', async (t) => {
  const { run } = await onTokens(t, { data: skewed().slice(0, 10 * BLOCK + 1) }, 'curriculum');
  const [batch] = await serve(run, 1, 35);
  t.is(batch?.inputs.length, 35 * BLOCK);
});
