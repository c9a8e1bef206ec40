import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { UsageError } from '../../../core/index.js';
import { testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';

const settings = ['train.max_iters=4', 'plugins.evaluation={interval: 2, iters: 1}'];

/** A run of a tiny model with its files in `out`, disposed after the test. */
async function made(t: ExecutionContext, folder: string, ...set: string[]): Promise<TestRun> {
  const out = path.join(folder, 'out');
  const run = await testRun({ cwd: folder, folder: out, resume: existsSync(out), set });
  t.teardown(() => run.dispose());
  return run;
}

test('a checkpoint contains what was saved; a damaged one is named and never read', async (t) => {
  const folder = emptyFolder(t);
  const { run } = await made(t, folder, ...settings);
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
  const folder = emptyFolder(t);
  const { run } = await made(
    t,
    folder,
    ...settings,
    'train.max_iters=12',
    'plugins.checkpoint={keep: {last: 2, best: 0}}',
  );
  await run.train();
  t.deepEqual(readdirSync(path.join(folder, 'out/checkpoints')).sort(), ['000010', '000012', 'latest']);
});

test('rotation keeps the last checkpoint on schedule, however many others are requested', async (t) => {
  const folder = emptyFolder(t);
  const { run } = await made(
    t,
    folder,
    ...settings,
    'train.max_iters=9',
    'plugins.evaluation={interval: 5, iters: 1}',
    'plugins.checkpoint={keep: {last: 1, best: 0}}',
  );
  run.bus.on('iteration:end', ({ iteration }) => {
    if (iteration >= 5) run.control.requestCheckpoint('latest');
    if (iteration === 7) run.control.requestStop('enough');
  });
  await run.train();
  t.deepEqual(readdirSync(path.join(folder, 'out/checkpoints')).sort(), ['000005', '000008', 'latest']);
});

for (const exitCode of [0, 1]) {
  const saves = exitCode === 0 ? 'is saved: nothing is lost' : 'because something is wrong with it is left as it is';
  test(`a run that a plugin stops, and asks for no checkpoint, ${saves}`, async (t) => {
    const folder = emptyFolder(t);
    const { run } = await made(t, folder, ...settings, 'train.max_iters=9', 'plugins.evaluation.interval=4');
    run.bus.on('iteration:end', ({ iteration }) => {
      if (iteration === 5) run.control.requestStop('enough', exitCode);
    });
    await run.train();
    const emergency = exitCode === 0 ? ['000006-emergency'] : [];
    t.deepEqual(readdirSync(path.join(folder, 'out/checkpoints')).sort(), ['000004', ...emergency, 'best', 'latest']);
  });
}

test('an emergency checkpoint replaces no regular one, and is deleted once there is a newer one', async (t) => {
  const folder = emptyFolder(t);
  const keep = 'plugins.checkpoint={keep: {last: 2, best: 0}, background: false}';
  const { run } = await made(t, folder, ...settings, 'train.max_iters=6', keep);
  const before: string[] = [];
  run.bus.on('iteration:end', ({ iteration }) => {
    if (iteration === 2 || iteration === 4) run.control.requestCheckpoint('emergency');
  });
  run.bus.on('checkpoint:saved', ({ iteration }) => {
    if (iteration === 5) before.push(...readdirSync(path.join(folder, 'out/checkpoints')));
  });
  await run.train();
  for (const kept of ['000002', '000004', '000005-emergency']) t.true(before.includes(kept), kept);
  t.false(before.includes('000003-emergency'));
  t.deepEqual(readdirSync(path.join(folder, 'out/checkpoints')).sort(), ['000004', '000006', 'latest']);
});

test('rotation also keeps checkpoints at multiples, and the best ones', async (t) => {
  const folder = emptyFolder(t);
  const keep = 'plugins.checkpoint.keep={last: 1, best: 2, every: 4}';
  const { run } = await made(t, folder, ...settings, 'train.max_iters=10', keep);
  const losses = new Map<string, number>();
  run.bus.on('evaluation:end', ({ iteration, losses: { val } }) => {
    losses.set(String(iteration).padStart(6, '0'), val);
  });
  await run.train();
  const best = [...losses].sort(([, a], [, b]) => a - b).slice(0, 2);
  const expected = new Set(['000004', '000008', '000010', ...best.map(([name]) => name)]);
  const kept = readdirSync(path.join(folder, 'out/checkpoints'));
  t.deepEqual(kept.filter((name) => /^\d/.test(name)).sort(), [...expected].sort());
  t.is(readFileSync(path.join(folder, 'out/checkpoints/best'), 'utf8').trim(), best[0]?.[0] ?? 'none');
});

test('if all checkpoints are damaged, the newest one’s error is raised with the list of those tried', async (t) => {
  const folder = emptyFolder(t);
  const { run } = await made(t, folder, ...settings);
  await run.train();
  for (const name of ['000002', '000004']) truncateSync(path.join(folder, 'out/checkpoints', name, 'state.json'), 9);
  const told: string[] = [];
  const error = await t.throwsAsync(
    findCheckpoint('out', folder, (line) => told.push(line)),
    {
      instanceOf: UsageError,
      code: 'ESP_CHECKPOINT_DAMAGED',
    },
  );
  t.regex(error.message, /000004 is damaged: state\.json has 9 bytes.*tried 000004, 000002/);
  t.is(told.length, 2);
});

test('a format newer than this package is reported, whatever else the manifest contains', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'manifest.json'), '{"format": 99, "parts": []}');
  await t.throwsAsync(readCheckpoint(folder), { code: 'ESP_CHECKPOINT_NEWER' });
});

test('a manifest cannot name files outside its folder', async (t) => {
  const folder = emptyFolder(t);
  const files = { '../text.txt': { bytes: 1, sha256: '' } };
  writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify({ format: 1, files }));
  await t.throwsAsync(readCheckpoint(folder), { code: 'ESP_CHECKPOINT_DAMAGED' });
});

test('training continues while a checkpoint is written, which has the state of the moment it was taken', async (t) => {
  const folder = emptyFolder(t);
  const keep = 'plugins.checkpoint={interval: 1, keep: {last: 50}}';
  const { run } = await made(t, folder, keep);
  const weights = new Map<number, Float32Array>();
  run.bus.on('iteration:end', ({ iteration }) => {
    weights.set(
      iteration + 1,
      Float32Array.from(run.model.parameters().get('transformer.ln_f.weight')?.dataSync() ?? []),
    );
  });
  const saved: number[] = [];
  run.bus.on('checkpoint:saved', ({ iteration, pauseMs, kind }) => {
    t.true(pauseMs >= 0);
    if (kind === 'latest') saved.push(iteration);
  });
  await run.train();
  t.deepEqual(saved, [1, 2, 3, 4, 5, 6]);
  for (const iteration of saved) {
    const loaded = await readCheckpoint(path.join(folder, `out/checkpoints/00000${iteration}`));
    t.deepEqual(loaded.weights.get('transformer.ln_f.weight')?.values, weights.get(iteration));
  }
});

test('a damaged checkpoint that was skipped is kept, and the run writes a new one at that iteration', async (t) => {
  const folder = emptyFolder(t);
  const set = [...settings, 'plugins.checkpoint={keep: {last: 5}}'];
  const { run } = await made(t, folder, ...set);
  await run.train();
  const damaged = path.join(folder, 'out/checkpoints/000004');
  truncateSync(path.join(damaged, 'model.safetensors'), 100);
  const again = await made(t, folder, ...set);
  t.is(again.run.state.iteration, 2);
  await again.train();
  t.is((await readCheckpoint(damaged)).state.run.iteration, 4);
  t.is(statSync(path.join(`${damaged}.damaged`, 'model.safetensors')).size, 100);
});
