import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import type { Run } from '../../../core/run/run.js';
import { Kept, nameOf } from '../../../plugins/checkpoint/checkpoint/kept.js';
import { testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { scorePlugin } from '../batches/score-plugin.js';

const attempts = fc.array(fc.record({ value: fc.integer({ min: 0, max: 9 }), fails: fc.boolean() }), { maxLength: 30 });

/** A run of a tiny model with its files in `out`, disposed after the test. */
async function made(t: ExecutionContext, folder: string, ...set: string[]): Promise<TestRun> {
  const run = await testRun({ cwd: folder, folder: path.join(folder, 'out'), set });
  t.teardown(() => run.dispose());
  return run;
}

test('only checkpoints that were written can be the best, whichever writes fail', (t) => {
  fc.assert(
    fc.property(attempts, fc.integer({ min: 1, max: 3 }), fc.constantFrom('min', 'max'), (all, most, mode) => {
      const kept = new Kept(most, { metric: 'score', mode });
      const written: { name: string; value: number }[] = [];
      for (const [iteration, { value, fails }] of all.entries()) {
        const best = kept.isBest(value);
        const name = nameOf(iteration, []);
        kept.begin(name, { value: best ? value : undefined, scheduled: iteration });
        if (fails) kept.failed(iteration);
        else kept.written(iteration);
        if (!fails) written.push({ name, value });
      }
      const sign = mode === 'min' ? 1 : -1;
      const expected = written.sort((a, b) => sign * (a.value - b.value)).slice(0, most);
      t.deepEqual(kept.state().best, expected);
      const last = all.findLastIndex(({ fails }) => !fails);
      t.is(kept.scheduled, last === -1 ? undefined : last);
      for (const { name } of expected) t.true(kept.names().has(name));
    }),
  );
});

test('a pinned checkpoint is kept until the next pinned one is on disk, and replaces it if that fails', (t) => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 20 }), (fails) => {
      const { pins } = new Kept(0);
      let last: number | undefined;
      for (const [iteration, failed] of fails.entries()) {
        pins.pin('owner', iteration);
        if (last !== undefined) t.true(pins.iterations().includes(last), 'before it is written');
        if (failed) pins.failed(iteration);
        else pins.written(iteration);
        if (!failed) last = iteration;
        if (last !== undefined) t.true(pins.iterations().includes(last));
        t.is(pins.standInFor(iteration), failed ? last : undefined);
        const resumed = new Kept(0).pins;
        resumed.pin('owner', iteration);
        resumed.restore(pins.state());
        t.is(resumed.standInFor(iteration), failed ? last : undefined, 'after a resume');
      }
    }),
  );
});

/** Writing the checkpoint of that iteration fails: there is a file where the folder of checkpoints should be. */
function failAt(run: Run, checkpoints: string, at: number): void {
  const away = `${checkpoints}-away`;
  run.bus.on('evaluation:end', ({ iteration }) => {
    if (iteration !== at) return;
    renameSync(checkpoints, away);
    writeFileSync(checkpoints, '');
  });
  run.bus.on('checkpoint:failed', ({ iteration }) => {
    if (iteration !== at) return;
    rmSync(checkpoints);
    renameSync(away, checkpoints);
  });
}

async function stoppedEarly(t: ExecutionContext, folder: string, ...set: string[]): Promise<Run> {
  const { run } = await made(
    t,
    folder,
    'train.max_iters=20',
    'plugins.evaluation={interval: 2, iters: 1}',
    'plugins.checkpoint={keep: {last: 1, best: 0}, background: false}',
    'plugins.early-stopping={monitor: score, patience: 3}',
    scorePlugin(folder, [9, 8, 7, 8, 8, 8]),
    ...set,
  );
  return run;
}

test('early stopping restores the best checkpoint on disk if the best could not be written', async (t) => {
  const folder = emptyFolder(t);
  const run = await stoppedEarly(t, folder);
  const checkpoints = path.join(folder, 'out/checkpoints');
  failAt(run, checkpoints, 6);
  const back: string[] = [];
  run.bus.on('run:rollback', ({ path: to }) => back.push(path.basename(to)));
  const written = new Map<number, Float32Array>();
  run.bus.on('checkpoint:due', ({ snapshot }) => {
    const [weight] = snapshot.weights.values();
    if (weight !== undefined) written.set(snapshot.state.run.iteration, new Float32Array(weight.dataSync<'float32'>()));
  });
  const { exitCode, reasons } = await run.train();
  t.is(exitCode, 0, reasons.join('; '));
  t.deepEqual(back, ['000004']);
  const names = readdirSync(checkpoints).filter((name) => /^\d/.test(name));
  t.true(names.includes('000004'), names.join());
  const newest = await readCheckpoint(
    path.join(checkpoints, readFileSync(path.join(checkpoints, 'latest'), 'utf8').trim()),
  );
  const [stored] = newest.weights.values();
  t.deepEqual(stored?.values, written.get(4));
});

test('if a best checkpoint cannot be written, the previous one stays the best, on disk and by name', async (t) => {
  const folder = emptyFolder(t);
  const { run } = await made(
    t,
    folder,
    'train.max_iters=10',
    'plugins.evaluation={interval: 2, iters: 1}',
    'plugins.checkpoint={keep: {last: 1, best: 1}, background: false}',
  );
  const checkpoints = path.join(folder, 'out/checkpoints');
  failAt(run, checkpoints, 4);
  failAt(run, checkpoints, 6);
  const losses = new Map<string, number>();
  run.bus.on('evaluation:end', ({ iteration, losses: { val } }) => {
    losses.set(nameOf(iteration, []), val);
  });
  const failed: number[] = [];
  run.bus.on('checkpoint:failed', ({ iteration }) => failed.push(iteration));
  const points = new Map<number, string>();
  run.bus.on('checkpoint:saved', ({ iteration }) => {
    points.set(iteration, readFileSync(path.join(checkpoints, 'best'), 'utf8').trim());
    for (const name of readdirSync(checkpoints)) if (/^0/.test(name)) t.true(losses.has(name));
  });
  await run.train();
  t.deepEqual(failed, [4, 6]);
  t.true((losses.get('000006') ?? NaN) < (losses.get('000002') ?? NaN), 'the best was among those that failed');
  for (const [iteration, best] of points) {
    const there = [...losses].filter(([name]) => Number(name) <= iteration && !failed.includes(Number(name)));
    t.is(best, there.sort(([, a], [, b]) => a - b)[0]?.[0] ?? 'none', `at ${String(iteration)}`);
  }
  t.true(existsSync(path.join(checkpoints, points.get(10) ?? 'none')));
});
