import { appendFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { findRuns } from '../../../plugins/dashboard/server/find-runs.js';
import { RunReader } from '../../../plugins/dashboard/server/run-reader.js';
import { lockFolder } from '../../../plugins/runs/lock/lock.js';
import { emptyFolder } from '../../e2e/command.js';
import { addEvent, lossLines, range, writeRun } from './written-run.js';

const operation = (completed: boolean): object => ({
  iteration: 8,
  name: 'widen_mlp',
  value: 2,
  outcome: completed ? 'success' : 'start',
  message: null,
  schedule: [
    { name: 'widen_mlp', value: 2, completed, desc: 'wider', trigger_loss: 3 },
    { name: 'set_lr', value: 0.1, completed: false },
  ],
});

test('a run is read from its files while they grow', async (t) => {
  const folder = emptyFolder(t);
  writeRun(folder, { iterations: range(1, 10) });
  const reader = new RunReader('run', folder);
  await reader.refresh();
  const { metrics, detailsVersion, ...summary } = reader.summary();
  t.deepEqual(summary, {
    name: 'run',
    status: 'interrupted',
    reasons: [],
    iteration: 10,
    maxIters: 100,
    tokens: 100,
    seconds: 5,
    named: false,
    started: '2026-01-02T03:04:05.000Z',
    settings: { seed: '1' },
  });
  t.deepEqual(
    { ...metrics[0], mean: metrics[0]?.mean?.toFixed(9) },
    {
      name: 'train/loss',
      unit: 'nats',
      what: 'mean training loss',
      points: 10,
      last: 3.9,
      mean: '3.945000000',
      min: 3.9,
      max: 3.99,
    },
  );
  t.deepEqual(reader.details().starts[0]?.environment, { node: 'v20.0.0', engine: 'cpu: plain' });

  appendFileSync(
    path.join(folder, 'metrics.jsonl'),
    `${lossLines([11])}not json\n{"iter":12,"train/loss":null}\n{"iter`,
  );
  addEvent(folder, 'run:end', { status: 'stopped', reasons: ['SIGINT'], iteration: 12 });
  await reader.refresh();
  const after = reader.summary();
  t.deepEqual([after.status, after.reasons, after.iteration], ['stopped', ['SIGINT'], 12]);
  t.is(after.metrics[0]?.points, 12);
  t.is(after.metrics[0]?.last, null, 'a loss that is not finite');
  t.true(after.detailsVersion > detailsVersion);
  t.deepEqual(reader.series({ metric: 'train/loss', axis: 'iteration', width: 100, smoothing: 0 })?.raw.y.at(-1), null);
  t.is(reader.series({ metric: 'nonsense', axis: 'iteration', width: 100, smoothing: 0 }), undefined);
});

test('a run whose folder is claimed by a living process is training', async (t) => {
  const folder = emptyFolder(t);
  writeRun(folder, { iterations: [1] });
  const reader = new RunReader('run', folder);
  const release = await lockFolder(folder);
  await reader.refresh();
  t.is(reader.summary().status, 'running');
  release();
  await reader.refresh();
  t.is(reader.summary().status, 'interrupted');
});

test('the schedule comes from the config until an operation logs it, and is rolled back with the run', async (t) => {
  const folder = emptyFolder(t);
  const config = 'plugins: { scaling-schedule: { operations: [{ name: widen_mlp, value: 2, trigger_loss: 3 }] } }\n';
  writeRun(folder, { iterations: range(1, 10), config });
  const reader = new RunReader('run', folder);
  await reader.refresh();
  t.deepEqual(reader.details().schedule, [{ name: 'widen_mlp', value: 2, desc: '', completed: false, at: null }]);
  addEvent(folder, 'operation', operation(false));
  addEvent(folder, 'operation', operation(true));
  addEvent(folder, 'sample', { iteration: 4, prompt: 'a', text: 'b' });
  addEvent(folder, 'sample', { iteration: 9, prompt: 'c', text: 'd' });
  await reader.refresh();
  const { schedule, samples } = reader.details();
  t.deepEqual(
    schedule.map(({ name, completed, at }) => [name, completed, at]),
    [
      ['widen_mlp', true, 8],
      ['set_lr', false, null],
    ],
  );
  t.deepEqual(
    samples.map(({ iteration }) => iteration),
    [9, 4],
  );

  // The run resumes from iteration 5: run-log cuts the metrics, and later iterations are repeated.
  writeFileSync(path.join(folder, 'metrics.jsonl'), lossLines(range(1, 5)));
  addEvent(folder, 'run:start', { iteration: 5, max_iters: 200, resumed_from: 'checkpoints/000005' });
  await reader.refresh();
  const details = reader.details();
  t.deepEqual([details.schedule[0]?.completed, details.schedule[0]?.at], [false, null]);
  t.deepEqual(
    details.samples.map(({ iteration }) => iteration),
    [4],
  );
  t.is(reader.summary().metrics.find(({ name }) => name === 'train/loss')?.points, 5);
  t.is(reader.summary().maxIters, 200);

  writeFileSync(path.join(folder, 'events.jsonl'), '');
  writeFileSync(path.join(folder, 'config.yaml'), 'plugins: { scaling-schedule: { file: plan.yaml } }\n');
  await reader.refresh();
  t.deepEqual([reader.details().schedule, reader.details().scheduleFile], [[], 'plan.yaml']);
});

test('runs are found by their folder, by a checkpoint’s, or in the folder that holds them', (t) => {
  const folder = emptyFolder(t);
  for (const name of ['runs/a', 'runs/b', 'elsewhere']) writeRun(path.join(folder, name), { iterations: [1] });
  const names = (...named: string[]): string[] =>
    findRuns(named, folder)
      .map(({ name }) => name)
      .sort();
  t.deepEqual(names(), ['runs/a', 'runs/b']);
  t.deepEqual(names('runs', 'elsewhere', 'runs/a'), ['elsewhere', 'runs/a', 'runs/b']);
  t.deepEqual(names('runs/a/checkpoints/000010'), ['runs/a']);
  const named = findRuns(['runs', 'elsewhere', 'runs/a'], folder).filter((run) => run.named);
  t.deepEqual(named.map(({ name }) => name).sort(), ['elsewhere', 'runs/a'], 'not those of a folder of runs');
  t.throws(() => names('nowhere'), { message: /no run in nowhere, which does not exist/ });
  t.throws(() => names('runs/a/checkpoints'), { message: /no run in/ });
});
