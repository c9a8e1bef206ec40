import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { BatchSource, Dataset, type PluginInstance } from '../../../core/index.js';
import { shrunkenIds } from '../../../plugins/index.js';
import { buildVocabMap, rankTokens } from '../../../plugins/data/shared/vocab-map.js';
import type { Run } from '../../../core/run/run.js';
import { ShrunkenVocabulary } from '../../../plugins/growth/contract.js';
import { assertResumes, testRun } from '../../../plugins/testing/contract.js';
import { text, textFolder } from '../../text.js';
import { stateOf } from '../../stored.js';

const characters = [...new Set(text)].sort();
const counts = characters.map((character) => text.split(character).length - 1);
const map = buildVocabMap(rankTokens(counts), 10, { data: 'text.txt', tokens: text.length, id: 'test' });
const shape = { batchSize: 2, blockSize: 32 };

async function runs(t: ExecutionContext, strategy: string): Promise<{ plain: Run; shrunken: Run }> {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'map.json'), JSON.stringify(map));
  const options = { cwd: folder, config: { data: { text: 'text.txt' }, model: { block_size: 32 } } };
  const plain = await testRun({ ...options, set: [`batches=${strategy}`] });
  t.teardown(() => plain.dispose());
  const shrunken = await testRun({
    ...options,
    set: [`batches=${strategy}`],
    plugins: [['vocab-remap', { file: 'map.json' }]],
  });
  t.teardown(() => shrunken.dispose());
  return { plain: plain.run, shrunken: shrunken.run };
}

for (const strategy of ['random', 'epoch', '{strategy: sequential, prefetch: 0}']) {
  test(`${strategy}: inputs and targets are mapped exactly once, in training and validation`, async (t) => {
    const { plain, shrunken } = await runs(t, strategy);
    const ids = shrunkenIds(map);
    const mapped = (tokens: Int32Array): Int32Array => tokens.map((id) => ids[id] ?? -1);
    const [whole, small] = [plain.container.resolve(BatchSource), shrunken.container.resolve(BatchSource)];
    for (let i = 0; i < 30; i++) {
      const [before, after] = [await whole.next(shape), await small.next(shape)];
      t.deepEqual(after.inputs, mapped(before.inputs));
      t.deepEqual(after.targets, mapped(before.targets));
    }
    t.deepEqual(small.evaluation('val', 3, shape).targets, mapped(whole.evaluation('val', 3, shape).targets));
    t.is(shrunken.model.vocabSize, 10);
  });
}

test('curriculum: workers serve ids of the shrunken vocabulary', async (t) => {
  const { shrunken } = await runs(t, '{strategy: curriculum, candidates: 8, round: 4}');
  const source = shrunken.container.resolve(BatchSource);
  for (let i = 0; i < 10; i++) t.true((await source.next(shape)).inputs.every((id) => id < 10));
});

test('curriculum: a run stopped when the vocabulary grows back chooses new candidates like an uninterrupted one', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'map.json'), JSON.stringify(map));
  const growth = {
    name: 'resize_vocabulary',
    value: [null, 0.1],
    trigger_loss: 100,
    max_wait_iters: 1,
    reevaluate: true,
  };
  const config = {
    data: { text: 'text.txt' },
    model: { n_embd: 8, block_size: 16, dropout: 0 },
    train: { batch_size: 4 },
    batches: { strategy: 'curriculum', candidates: 20, round: 4 },
    plugins: { evaluation: { interval: 2 } },
  };
  const plugins = [
    'run-log',
    'training-metrics',
    'batch-digest',
    ['vocab-remap', { file: 'map.json', accuracy_iters: 0 }],
    ['scaling-schedule', { operations: [growth] }],
  ] as const;
  await assertResumes({ cwd: folder, folder, iterations: 8, config, plugins }, [{ event: 'evaluation:end', at: 2 }]);
  t.deepEqual(await stateOf(folder, 'parts'), await stateOf(folder, 'whole'));
  const lines = (dir: string): string => readFileSync(path.join(folder, dir, 'metrics.jsonl'), 'utf8');
  t.is(lines('parts'), lines('whole'));
});

test('growing back: kept tokens get their own ids, the others share one, then all have their own; checkpoints save it', async (t) => {
  const { plain, shrunken } = await runs(t, 'sequential');
  const vocabulary = shrunken.container.resolve(ShrunkenVocabulary);
  const [whole, small] = [plain.container.resolve(BatchSource), shrunken.container.resolve(BatchSource)];
  await whole.next(shape);
  await small.next(shape);
  vocabulary.resized(3);
  const kept = new Set(map.tokens);
  const expected = (await whole.next(shape)).inputs.map((id) => (kept.has(id) ? id : 3));
  t.deepEqual((await small.next(shape)).inputs, expected);
  t.is(shrunken.container.resolve(Dataset).vocabSize, characters.length);
  const { state } = JSON.parse(JSON.stringify(shrunken.snapshot().state.plugins['vocab-remap'])) as { state: unknown };
  vocabulary.disable();
  t.deepEqual(await small.next(shape), await whole.next(shape));

  const { shrunken: other } = await runs(t, 'sequential');
  const plugin = other.container.resolve(ShrunkenVocabulary) as PluginInstance;
  plugin.restore?.(state, 1);
  t.is(other.container.resolve(ShrunkenVocabulary).mode, 'resized');
});

test('the mapping keeps the most frequent tokens and says what share they cover', (t) => {
  const { covered, tokens, tokens_for_90, full_vocab } = map;
  t.is(full_vocab, characters.length);
  t.is(tokens[0], characters.indexOf(' '));
  const total = counts.reduce((sum, count) => sum + count, 0);
  t.is(covered, tokens.reduce((sum, id) => sum + (counts[id] ?? 0), 0) / total);
  const ranked = [...counts].sort((a, b) => b - a);
  const share = (n: number): number => ranked.slice(0, n).reduce((sum, count) => sum + count, 0) / total;
  t.true(share(tokens_for_90) >= 0.9 && share(tokens_for_90 - 1) < 0.9);
});
