import test from 'ava';
import { debugRun } from './debug-run.js';
import { textFolder } from '../../text.js';

async function losses(created: Awaited<ReturnType<typeof debugRun>>): Promise<number[]> {
  const seen: number[] = [];
  created.run.bus.on('iteration:end', ({ loss }) => seen.push(loss));
  await created.run.setUp();
  await created.run.train();
  return seen;
}

test('two runs in one process at the same time are the runs that they are alone', async (t) => {
  const settings = [
    ['run.dir=a', 'seed=1', 'train.max_iters=6', 'model.dropout=0.1'],
    ['run.dir=b', 'seed=2', 'train.max_iters=6', 'model.n_layer=1', 'engine=wasm'],
  ] as const;
  const folder = textFolder(t);
  const alone: number[][] = [];
  for (const set of settings) alone.push(await losses(await debugRun(t, textFolder(t), ...set)));
  const created = await Promise.all(settings.map((set) => debugRun(t, folder, ...set)));
  const together = await Promise.all(created.map(losses));
  t.deepEqual(together, alone);
  t.notDeepEqual(together[0], together[1]);
});

test('the same config gives the same losses, another seed gives others', async (t) => {
  const folder = textFolder(t);
  const first = await losses(await debugRun(t, folder, 'run.dir=a', 'train.max_iters=4'));
  const second = await losses(await debugRun(t, folder, 'run.dir=b', 'train.max_iters=4'));
  const other = await losses(await debugRun(t, folder, 'run.dir=c', 'train.max_iters=4', 'seed=2'));
  t.deepEqual(first, second);
  t.notDeepEqual(first, other);
});
