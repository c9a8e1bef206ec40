import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { tf } from '../../../core/tf.js';
import test, { type ExecutionContext } from 'ava';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import type { Run } from '../../../core/run/run.js';
import type { RollbackRequest, RunResult } from '../../../core/index.js';
import { signalArrives, testRun, type Fault, type TestRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { newest, stateOf } from '../../stored.js';

const settings = [
  'train.batch_size=4',
  'model.n_layer=2',
  'lr.decay_iters=10',
  'batches=sequential',
  'plugins.evaluation={interval: 3, iters: 1}',
  'plugins.checkpoint.keep.last=20',
  'plugins.training-metrics.interval=1',
];

/** Ten iterations with files in a folder; resumes if it has checkpoints. */
async function made(t: ExecutionContext, folder: string, set: readonly string[], ...faults: Fault[]): Promise<TestRun> {
  const run = await testRun({
    presets: ['debug'],
    iterations: 10,
    cwd: path.dirname(folder),
    folder,
    resume: existsSync(path.join(folder, 'checkpoints')),
    set: [...settings, ...set],
    faults,
  });
  t.teardown(() => run.dispose());
  return run;
}

/** Returns a run that requests one rollback, at the end of an iteration. */
async function asking(
  t: ExecutionContext,
  folder: string,
  request: Omit<RollbackRequest, 'reason'>,
  { after = 5, set = [] as readonly string[] } = {},
): Promise<Run> {
  const { run } = await made(t, path.join(folder, 'out'), set);
  let asked = false;
  run.bus.listen({ plugin: 'test', event: 'iteration:end', critical: true }, ({ iteration }) => {
    if (asked || iteration + 1 !== after) return;
    asked = true;
    run.control.requestRollback({ ...request, reason: 'because' });
  });
  return run;
}

function weightsOf(run: Run): Record<string, number[]> {
  return Object.fromEntries([...run.model.parameters()].map(([name, variable]) => [name, [...variable.dataSync()]]));
}

function lines(folder: string, run: string): string {
  return readFileSync(path.join(folder, run, 'metrics.jsonl'), 'utf8');
}

test('rolled back with the same data, the run gives the same bits and log as one that was not', async (t) => {
  const folder = emptyFolder(t);
  const plain = await made(t, path.join(folder, 'plain'), []);
  await plain.train();
  const run = await asking(t, folder, { to: 'latest', what: 'run' });
  const seen: unknown[] = [];
  run.bus.on('run:rollback', ({ what, from, to, path: at }) => seen.push([what, from, to, path.basename(at)]));
  t.is((await run.train()).status, 'done');
  t.deepEqual(seen, [['run', 5, 3, '000003']]);
  t.deepEqual(weightsOf(run), weightsOf(plain.run));
  const state = (of: Run): unknown => ({ ...of.snapshot().state, config: 'with another folder', given: {} });
  t.deepEqual(state(run), state(plain.run));
  t.is(lines(folder, 'out'), lines(folder, 'plain'));
});

test('rolled back with data skipped, all state but the data is the checkpoint’s, and no batch is served twice', async (t) => {
  const folder = emptyFolder(t);
  const run = await asking(t, folder, { to: 3, what: 'run', data: 'skip' });
  const batches: string[] = [];
  run.bus.on('batch:ready', ({ batch }) => batches.push(String(batch.inputs)));
  const back = new Promise<void>((done) => {
    run.bus.listen({ plugin: 'test', event: 'run:rollback', critical: true }, async ({ path: at, state }) => {
      const { weights, optimizer, state: stored } = await readCheckpoint(at);
      for (const [name, variable] of run.model.parameters()) {
        t.deepEqual(weights.get(name)?.values, variable.dataSync<'float32'>(), name);
      }
      const now = run.snapshot();
      for (const [name, tensor] of now.optimizer.tensors) {
        t.deepEqual(optimizer.tensors.get(name)?.values, tensor.dataSync<'float32'>(), name);
      }
      t.deepEqual(now.optimizer.scalars, optimizer.scalars);
      t.deepEqual({ ...state }, stored.run);
      t.deepEqual(now.state.plugins['batches-sequential']?.state, { windows: 5 * 4 });
      t.deepEqual(now.state.plugins['health'], stored.plugins['health']);
      done();
    });
  });
  await run.train();
  await back;
  t.is(batches.length, 12);
  t.is(new Set(batches).size, 12);
});

test('a rollback rejects checkpoints that are not finite, and drops a requested evaluation', async (t) => {
  const folder = emptyFolder(t);
  const run = await asking(t, folder, { to: 'latest', what: 'run' }, { after: 9, set: ['plugins.health=false'] });
  const at = (name: string): string => path.join(folder, 'out/checkpoints', name);
  const evaluations: number[] = [];
  run.bus.on('evaluation:due', ({ iteration }) => evaluations.push(iteration));
  let spoilt = false;
  run.bus.on('iteration:end', ({ iteration }) => {
    // Set before the checkpoint of 6 iterations is taken, and undone by the rollback.
    const [weight] = [...run.model.parameters().values()];
    if (iteration !== 5 || spoilt) return;
    spoilt = true;
    weight?.assign(tf.mul(weight, NaN));
  });
  await run.train();
  t.deepEqual(evaluations, [3, 6, 6, 9, 10]);
  t.true(existsSync(at('000006.aside')));
  t.true(existsSync(at(readFileSync(at('best'), 'utf8').trim())), 'what was set aside is the best no more');
  t.false(weightsOf(run)['transformer.wte.weight']?.some(Number.isNaN));
});

test('a rollback of the model alone keeps the run’s position', async (t) => {
  const folder = emptyFolder(t);
  const run = await asking(t, folder, { to: 3, what: 'model' }, { after: 10 });
  await run.train();
  t.is(run.state.iteration, 10);
  const at = (name: string): string => path.join(folder, 'out/checkpoints', name);
  const [then, last] = [await readCheckpoint(at('000003')), await readCheckpoint(at('000010'))];
  t.deepEqual(last.weights, then.weights);
  t.deepEqual(last.optimizer, then.optimizer);
  t.is(last.state.run.iteration, 10);
  t.true(lines(folder, 'out').includes('"iter":9,'));
});

test('a rollback restores the shape of a model that has grown since, and the schedule’s position', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(
    path.join(folder, 'grow.yaml'),
    '- { name: stack_layers, value: [0, 0, 1, 1], trigger_loss: 0, max_wait_iters: 6, reevaluate: false }\n',
  );
  const set = ['plugins.scaling-schedule.file=grow.yaml'];
  const shapes: string[][] = [];
  const run = await asking(t, folder, { to: 3, what: 'run' }, { after: 8, set });
  run.bus.on('iteration:end', () => {
    shapes.push([...run.model.parameters().keys()].filter((name) => name.endsWith('attn.c_attn.weight')));
  });
  await run.train();
  t.deepEqual(
    shapes.map(({ length }) => length),
    [2, 2, 2, 2, 2, 2, 4, 4, 2, 2, 2, 4, 4, 4, 4],
  );
});

test('without a checkpoint to roll back to, the run stops with an emergency checkpoint', async (t) => {
  const folder = emptyFolder(t);
  const run = await asking(t, folder, { to: 'latest', what: 'run' }, { after: 2 });
  const { status, reasons, exitCode } = await run.train();
  t.is(status, 'stopped');
  t.is(exitCode, 1);
  t.deepEqual(reasons, ['because; there is no checkpoint to roll back to']);
  t.true(existsSync(path.join(folder, 'out/checkpoints/000002-emergency')));
});

test('a checkpoint requested by a stop or signal is not a rollback target, so that interrupted runs give the same bits', async (t) => {
  const folder = emptyFolder(t);
  const train = async (dir: string, ...faults: Fault[]): Promise<RunResult> => {
    const part = await made(t, path.join(folder, dir), ['plugins.evaluation.interval=6'], ...faults, ({ run }) => {
      let back = 0;
      run.bus.on('run:rollback', () => back++);
      run.bus.on('iteration:end', ({ iteration }) => {
        if (iteration + 1 === 3 && dir === 'parts') run.control.requestCheckpoint('latest');
        if (iteration + 1 !== 5 || back > 0) return;
        run.control.requestRollback({ to: 'latest', what: 'run', reason: 'because' });
      });
    });
    const result = await part.train();
    await part.dispose();
    return result;
  };
  const whole = await train('whole');
  t.is((await train('parts', signalArrives({ event: 'iteration:end', at: 2 }))).exitCode, 143);
  const parts = await train('parts');
  t.deepEqual([parts.exitCode, parts.reasons], [1, whole.reasons]);
  t.deepEqual(await stateOf(folder, 'parts'), await stateOf(folder, 'whole'));
  const [at, of] = [await newest(folder, 'parts'), await newest(folder, 'whole')];
  t.deepEqual((await readCheckpoint(at)).weights, (await readCheckpoint(of)).weights);
  t.is(path.basename(at), '000005-emergency');
  t.true(existsSync(path.join(folder, 'parts/checkpoints/000003')), 'there was one');
});

test('a rollback ignores an unreadable checkpoint', async (t) => {
  const folder = emptyFolder(t);
  const run = await asking(t, folder, { to: 3, what: 'run' });
  run.bus.on('checkpoint:saved', ({ path: at }) => {
    truncateSync(path.join(at, 'model.safetensors'), 10);
  });
  const { reasons } = await run.train();
  t.deepEqual(reasons, ['because; there is no checkpoint of iteration 3 to roll back to']);
});

test('a listener can skip a step', async (t) => {
  const folder = emptyFolder(t);
  const { run } = await made(t, path.join(folder, 'out'), []);
  run.bus.listen({ plugin: 'test', event: 'step:ready', critical: true }, (step) => {
    if (step.iteration === 4) step.skip = 'because';
  });
  const weights: Record<string, number[]>[] = [];
  const steps: unknown[] = [];
  const skipped: unknown[] = [];
  run.bus.on('iteration:end', (ended) => {
    weights.push(weightsOf(run));
    steps.push(run.snapshot().optimizer.scalars['step']);
    skipped.push(ended.skipped);
  });
  await run.train();
  t.deepEqual(weights[4], weights[3]);
  t.notDeepEqual(weights[5], weights[4]);
  t.deepEqual(steps, [1, 2, 3, 4, 4, 5, 6, 7, 8, 9]);
  t.deepEqual(skipped, [...Array<undefined>(4), 'because', ...Array<undefined>(5)]);
  t.is(run.state.iteration, 10);
});
