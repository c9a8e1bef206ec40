import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { findCheckpoint } from '../../core/checkpoint/find.js';
import { readCheckpoint } from '../../core/checkpoint/read.js';
import { UsageError } from '../../core/index.js';
import { debugRun, textFolder } from '../core/run/debug-run.js';

const settings = ['run.dir=out', 'train.max_iters=4', 'plugins.evaluation={interval: 2, iters: 1}'];

test('a checkpoint holds what was saved; a damaged one is named and never read', async (t) => {
  const folder = textFolder(t);
  const { run } = await debugRun(t, folder, ...settings);
  await run.setUp();
  await run.train();
  const latest = await findCheckpoint('out', folder);
  t.is(path.basename(latest), '000004');
  const loaded = await readCheckpoint(latest);
  for (const [name, variable] of run.model.parameters()) {
    t.deepEqual(loaded.weights.get(name)?.values, variable.dataSync<'float32'>(), name);
  }
  t.is(loaded.state.run.iteration, 4);

  const files = readdirSync(latest).map((name) => path.join(latest, name));
  const spots = fc.tuple(fc.constantFrom(...files), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));
  await fc.assert(
    fc.asyncProperty(spots, fc.boolean(), async ([file, share], cut) => {
      const whole = readFileSync(file);
      const at = Math.floor(share * whole.length);
      const flipped = Buffer.from(whole);
      flipped.writeUInt8((flipped.readUInt8(at) + 1) % 256, at);
      writeFileSync(file, flipped);
      if (cut) truncateSync(file, at);
      const error = await t.throwsAsync(readCheckpoint(latest), { instanceOf: UsageError });
      t.true(error.message.includes(latest));
      writeFileSync(file, whole);
    }),
    { numRuns: 40 },
  );
  await t.notThrowsAsync(readCheckpoint(latest));
});

test('rotation keeps the newest and the best', async (t) => {
  const folder = textFolder(t);
  const { run } = await debugRun(
    t,
    folder,
    ...settings,
    'train.max_iters=12',
    'plugins.checkpoint={keep: {last: 2, best: 0}}',
  );
  await run.setUp();
  await run.train();
  t.deepEqual(readdirSync(path.join(folder, 'out/checkpoints')).sort(), ['000010', '000012', 'latest']);
});

test('a damaged checkpoint that was passed over is written anew when the run comes there again', async (t) => {
  const folder = textFolder(t);
  const set = [...settings, 'plugins.checkpoint={keep: {last: 5}}'];
  const { run } = await debugRun(t, folder, ...set);
  await run.setUp();
  await run.train();
  const damaged = path.join(folder, 'out/checkpoints/000004');
  truncateSync(path.join(damaged, 'model.safetensors'), 100);
  const again = await debugRun(t, folder, ...set, 'init=resume');
  await again.run.setUp();
  const from = await readCheckpoint(await findCheckpoint('out', folder));
  t.is(path.basename(from.path), '000002');
  again.run.restore(from);
  await again.run.train(from.path);
  t.is((await readCheckpoint(damaged)).state.run.iteration, 4);
});
