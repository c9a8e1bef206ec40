import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { UsageError } from '../../../core/index.js';
import { seen, start, type Progress, type Rule } from '../../../plugins/evaluation/early-stopping/patience.js';
import { MemoryCheckpoints, testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { scorePlugin } from '../batches/score-plugin.js';

const scores = fc.array(fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constant(NaN)), { maxLength: 40 });
const rules = fc.record({
  mode: fc.constantFrom('min' as const, 'max' as const),
  minDelta: fc.integer({ min: 0, max: 2 }),
});

/** Where the plain rule stops: looks back over the whole series at each value. */
function stopsAt(values: readonly number[], patience: number, { mode, minDelta }: Rule): number | undefined {
  const sign = mode === 'min' ? 1 : -1;
  const improvements: number[] = [];
  for (const [at, value] of values.entries()) {
    const last = improvements.at(-1);
    const bar = last === undefined ? Infinity : sign * (values[last] ?? NaN) - minDelta;
    if (sign * value < bar) improvements.push(at);
    if (at - (improvements.at(-1) ?? -1) >= patience) return at;
  }
  return undefined;
}

test('patience follows the plain rule, with and without a resume', (t) => {
  fc.assert(
    fc.property(scores, rules, fc.integer({ min: 1, max: 4 }), fc.nat(40), (values, rule, patience, pause) => {
      let progress: Progress = start;
      let stopped: number | undefined;
      for (const [at, value] of values.entries()) {
        if (at === pause) progress = JSON.parse(JSON.stringify(progress)) as Progress;
        progress = seen(progress, value, at, rule);
        if (progress.waited >= patience) {
          stopped = at;
          break;
        }
      }
      t.is(stopped, stopsAt(values, patience, rule));
      const looked = values.slice(0, (stopped ?? values.length) + 1).filter((value) => !Number.isNaN(value));
      const best = looked.length === 0 ? undefined : Math[rule.mode](...looked);
      t.is(progress.best?.value, best);
      if (best !== undefined) t.is(progress.best?.iteration, values.indexOf(best));
    }),
  );
});

const run = ['train.max_iters=20', 'plugins.evaluation={interval: 2, iters: 1}'];

/** A run of a tiny model with its files in `out`, disposed after the test. */
async function made(t: ExecutionContext, folder: string, ...set: string[]): Promise<TestRun> {
  const run = await testRun({ cwd: folder, folder: path.join(folder, 'out'), set });
  t.teardown(() => run.dispose());
  return run;
}

test('it stops when patience runs out; the newest checkpoint then has the best weights', async (t) => {
  const folder = emptyFolder(t);
  const stopping = 'plugins.early-stopping={monitor: score, patience: 3, min_delta: 0.5}';
  const plugins = scorePlugin(folder, [9, 8, 7, 6.8, 7, 8, 1]);
  const { run: created } = await made(t, folder, ...run, plugins, stopping, 'plugins.checkpoint.keep.last=1');
  const { status, reasons, exitCode } = await created.train();
  t.is(created.state.iteration, 12);
  t.is(status, 'stopped');
  t.is(exitCode, 0);
  t.deepEqual(reasons, ['early stopping: score did not improve 3 times in a row (best 6.8000 at iteration 8)']);
  const at = (name: string): string => path.join(folder, 'out/checkpoints', name);
  t.is(readFileSync(at('latest'), 'utf8').trim(), '000012');
  const [best, latest] = [await readCheckpoint(at('000008')), await readCheckpoint(at('000012'))];
  t.deepEqual(latest.weights, best.weights);
  t.deepEqual(latest.optimizer, best.optimizer);
  t.is(latest.state.run.iteration, 12);
  t.deepEqual(latest.state.plugins['early-stopping']?.state, {
    best: { value: 6.8, iteration: 8 },
    reference: 7,
    waited: 0,
    of: { monitor: 'score', mode: 'min' },
  });
  for (const [name, variable] of created.model.parameters()) {
    t.deepEqual(best.weights.get(name)?.values, variable.dataSync<'float32'>(), name);
  }
});

test('a run that reaches its last iteration also ends with the best weights, unless restore_best is off', async (t) => {
  const folder = emptyFolder(t);
  const plugins = scorePlugin(folder, [3, 1, 2]);
  for (const restores of [true, false]) {
    const stopping = `plugins.early-stopping={monitor: score, restore_best: ${String(restores)}}`;
    const dir = `run.dir=best-${String(restores)}`;
    const { run: created } = await made(t, folder, ...run, plugins, stopping, dir, 'train.max_iters=6');
    t.is((await created.train()).status, 'done');
    const weights = async (name: string): Promise<unknown> =>
      (await readCheckpoint(path.join(folder, `best-${String(restores)}`, 'checkpoints', name))).weights;
    const [best, last] = [await weights('000004'), await weights('000006')];
    if (restores) t.deepEqual(last, best);
    else t.notDeepEqual(last, best);
  }
});

test('the state in a checkpoint is that of its own evaluation', async (t) => {
  const folder = emptyFolder(t);
  const keep = 'plugins.checkpoint.keep.last=20';
  const stopping = 'plugins.early-stopping={monitor: score, patience: 9, mode: max}';
  const { run: created } = await made(t, folder, ...run, keep, stopping, scorePlugin(folder, [1, 2, 0, 0, 3]));
  await created.train();
  const checkpoints = readdirSync(path.join(folder, 'out/checkpoints')).filter((name) => /^\d/.test(name));
  const waited: unknown[] = [];
  for (const name of checkpoints.sort().slice(0, 5)) {
    const { state } = await readCheckpoint(path.join(folder, 'out/checkpoints', name));
    waited.push((state.plugins['early-stopping']?.state as Progress).waited);
  }
  t.deepEqual(waited, [0, 0, 1, 2, 0]);
});

test('a run resumed with another metric to monitor starts its patience over', async (t) => {
  const folder = emptyFolder(t);
  const plugins = scorePlugin(folder, [9, 8, 7, 6, 5]);
  const checkpoints = new MemoryCheckpoints();
  for (const [iterations, stopping] of [
    [4, '{monitor: score, mode: max, patience: 5}'],
    [8, '{monitor: val/loss, patience: 5}'],
  ] as const) {
    const set = [...run, plugins, `train.max_iters=${iterations}`, `plugins.early-stopping=${stopping}`];
    await using made = await testRun({ cwd: folder, checkpoints, set });
    await made.train();
  }
  const { state } = await checkpoints.read();
  t.like(state.plugins['early-stopping']?.state, { of: { monitor: 'val/loss', mode: 'min' }, waited: 0 });
});

test('a metric that cannot be monitored, or restored to, is refused before training', async (t) => {
  const folder = emptyFolder(t);
  const wrong = async (...set: string[]): Promise<string> => {
    const error = await t.throwsAsync(made(t, folder, ...run, ...set), { instanceOf: UsageError });
    return error.message;
  };
  t.regex(await wrong('plugins.early-stopping.monitor=val/los'), /publishes "val\/los": did you mean "val\/loss"\?/);
  t.regex(await wrong('plugins.early-stopping={}', 'plugins.checkpoint=false'), /turn the plugin checkpoint on/);
});
