import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { textFolder } from './debug-run.js';
import { newest, stateOf, trainBoth, trainPart, type Stop } from './stopped.js';

const settings = [
  'engine=auto',
  'model={n_layer: 1, n_embd: 8, n_head: 2, block_size: 16, dropout: 0.1}',
  'train={max_iters: 8, batch_size: 2}',
  'lr={decay_iters: 8}',
  'optimizer.learning_rate=0.05',
  'plugins.training-metrics.interval=1',
  'plugins.evaluation={interval: 2, iters: 1}',
];

async function same(t: ExecutionContext, set: readonly string[], stops: readonly Stop[]): Promise<string> {
  const folder = textFolder(t);
  await trainBoth(t, folder, [...settings, ...set], stops);
  const file = (dir: string, name: string): Buffer => readFileSync(path.join(folder, dir, name));
  t.is(String(file('parts', 'metrics.jsonl')), String(file('whole', 'metrics.jsonl')));
  t.deepEqual(await stateOf(folder, 'parts'), await stateOf(folder, 'whole'));
  const [whole, parts] = [await newest(folder, 'whole'), await newest(folder, 'parts')];
  t.is(path.basename(parts), path.basename(whole));
  for (const name of readdirSync(whole).filter((each) => each.endsWith('.safetensors')))
    t.deepEqual(readFileSync(path.join(parts, name)), readFileSync(path.join(whole, name)), name);
  return folder;
}

test('where an evaluation and a checkpoint are due, a run that is stopped has that checkpoint all the same', async (t) => {
  const folder = await same(
    t,
    ['plugins.checkpoint={interval: 2, keep: {last: 9}}'],
    [
      { event: 'iteration:end', at: 2 },
      { event: 'evaluation:start', at: 4 },
      { event: 'evaluation:end', at: 6 },
    ],
  );
  for (const name of ['000002', '000004', '000006', '000008']) {
    const of = (dir: string): ReturnType<typeof stateOf> => stateOf(folder, path.join(dir, 'checkpoints', name));
    t.deepEqual(await of('parts'), await of('whole'), name);
  }
});

test('a run that is stopped before its last evaluation is not done; it ends with the best weights when it went on', async (t) => {
  // Training lowers the loss: the first one is the highest.
  const set = [
    'plugins.evaluation.interval=4',
    'plugins.checkpoint.interval=3',
    'plugins.early-stopping={patience: 9, mode: max}',
  ];
  const folder = await same(t, set, [{ event: 'iteration:end', at: 8 }]);
  const { plugins } = await stateOf(folder, 'whole');
  t.like(plugins['early-stopping']?.state, { best: { iteration: 4 } }, 'else nothing is restored');
  t.deepEqual(
    readFileSync(path.join(await newest(folder, 'parts'), 'model.safetensors')),
    readFileSync(path.join(folder, 'parts/checkpoints/000004/model.safetensors')),
  );
  const stop = { event: 'iteration:end', at: 8 } as const;
  const { status, exitCode } = await trainPart(t, textFolder(t), 'out', [...settings, ...set], { stop });
  t.deepEqual([status, exitCode], ['stopped', 143]);
});
