import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { isRestart, stepOf } from '../../../plugins/logs/tensorboard/messages.js';
import {
  assertResumes,
  signalArrives,
  testRun,
  type Fault,
  type Moment,
  type TestRunOptions,
} from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { recordsIn } from '../../plugins/logs/event-records.js';
import { newest, stateOf } from '../../stored.js';

const tiny: TestRunOptions = {
  presets: ['debug'],
  iterations: 8,
  config: {
    model: { n_embd: 8, block_size: 16 },
    lr: { decay_iters: 8 },
    optimizer: { learning_rate: 0.05 },
    plugins: { 'training-metrics': { interval: 1 }, evaluation: { interval: 2 } },
  },
};

async function same(
  t: ExecutionContext,
  set: readonly string[],
  stops: readonly Moment[],
  ...faults: Fault[]
): Promise<string> {
  const folder = emptyFolder(t);
  await assertResumes({ ...tiny, folder, set, faults }, stops);
  const file = (dir: string, name: string): Buffer => readFileSync(path.join(folder, dir, name));
  t.is(String(file('parts', 'metrics.jsonl')), String(file('whole', 'metrics.jsonl')));
  t.deepEqual(await stateOf(folder, 'parts'), await stateOf(folder, 'whole'));
  const [whole, parts] = [await newest(folder, 'whole'), await newest(folder, 'parts')];
  t.is(path.basename(parts), path.basename(whole));
  for (const name of readdirSync(whole).filter((each) => each.endsWith('.safetensors')))
    t.deepEqual(readFileSync(path.join(parts, name)), readFileSync(path.join(whole, name)), name);
  return folder;
}

test('a run stopped when an evaluation and a checkpoint are due still gets that checkpoint', async (t) => {
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

test('a signal during another stop’s checkpoint keeps the pending evaluation', async (t) => {
  const folder = await same(
    t,
    ['plugins.checkpoint={interval: 4, keep: {last: 9, best: 0}}'],
    [{ event: 'checkpoint:due', at: 4 }],
    ({ run }) => {
      run.bus.on('iteration:end', ({ iteration }) => {
        if (path.basename(run.folder.path) !== 'parts' || iteration + 1 !== 4) return;
        run.control.requestStop('--stop-after');
        run.control.requestCheckpoint('latest');
      });
    },
  );
  const [whole, parts] = ['whole', 'parts'].map((dir) => stateOf(folder, path.join(dir, 'checkpoints/000004')));
  t.deepEqual(await parts, await whole);
});

test('a run stopped before its last evaluation is not done; once resumed, it ends with the best weights', async (t) => {
  // Training lowers the loss, so the first one is the highest.
  const set = [
    'plugins.evaluation.interval=4',
    'plugins.checkpoint.interval=3',
    'plugins.early-stopping={patience: 9, mode: max}',
  ];
  const folder = await same(t, set, [{ event: 'iteration:end', at: 8 }]);
  const { state } = await readCheckpoint(await newest(folder, 'whole'));
  t.like(state.plugins['early-stopping']?.state, { best: { iteration: 4 } }, 'else nothing is restored');
  t.deepEqual(
    readFileSync(path.join(await newest(folder, 'parts'), 'model.safetensors')),
    readFileSync(path.join(folder, 'parts/checkpoints/000004/model.safetensors')),
  );
  await using stopped = await testRun({ ...tiny, set, faults: [signalArrives({ event: 'iteration:end', at: 8 })] });
  const { status, exitCode } = await stopped.train();
  t.deepEqual([status, exitCode], ['stopped', 143]);
});

test('results of an evaluation that a stop prevented or interrupted are published once, by the resumed run', async (t) => {
  const told = new Map<string, string[]>();
  const folder = await same(
    t,
    [
      'batches={strategy: curriculum, candidates: 20, round: 3}',
      'plugins.evaluation.at_start=true',
      'plugins.parameter-changes={interval: 2}',
      'plugins.samples={tokens: 2, prompts: [the, fox]}',
      'plugins.tensorboard={}',
      `plugins.scaling-schedule.operations=[
        {name: set_attn_lora_rank, value: 2, trigger_loss: 0, max_wait_iters: 2, reevaluate: true}]`,
    ],
    [
      { event: 'iteration:end', at: 3 },
      { event: 'iteration:end', at: 4 },
      { event: 'sample', at: 6 },
    ],
    ({ run }) => {
      const dir = path.basename(run.folder.path);
      const lines = told.get(dir) ?? [];
      told.set(dir, lines);
      run.bus.on('sample', ({ iteration, prompt, text }) => lines.push(`${iteration} ${prompt}${text}`));
    },
  );
  t.deepEqual(told.get('parts'), told.get('whole'));
  // Twice if the operation requested another evaluation.
  t.deepEqual(
    told.get('whole')?.map((line) => parseInt(line, 10)),
    [0, 0, 2, 2, 2, 2, 4, 4, 6, 6, 8, 8],
  );
  const metrics = readFileSync(path.join(folder, 'parts/metrics.jsonl'), 'utf8');
  for (const name of ['change/all', 'batches/alpha']) t.regex(metrics, new RegExp(`"iter":4,.*"${name}"`));
  t.deepEqual(
    eventsByStep(path.join(folder, 'parts/tensorboard')),
    eventsByStep(path.join(folder, 'whole/tensorboard')),
  );
});

/** Returns the number of events at each step, except those that each process begins with. */
function eventsByStep(folder: string): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const name of readdirSync(folder)) {
    for (const { data } of recordsIn(path.join(folder, name))) {
      if (isRestart(data) || data.includes('brain.Event') || data.includes('config')) continue;
      counts[stepOf(data)] = (counts[stepOf(data)] ?? 0) + 1;
    }
  }
  return counts;
}
