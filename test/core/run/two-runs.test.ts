import test, { type ExecutionContext } from 'ava';
import type { RunSettings } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import type { Run } from '../../../core/run/run.js';
import { testRun } from '../../../plugins/testing/contract.js';
import { textFolder } from '../../text.js';

/** The result of a run on an engine of its own, which `createRun` refuses next to another. */
async function made(t: ExecutionContext, config: RunSettings): Promise<Run> {
  const settings = { ...config, precision: 'f32', data: { text: 'text.txt' } };
  const code = [{ source: 'config', settings }];
  const { run } = await makeRun({ cwd: textFolder(t), presets: ['debug'], code, inMemory: true });
  t.teardown(() => run.dispose());
  return run;
}

async function losses(run: Run): Promise<number[]> {
  const seen: number[] = [];
  run.bus.on('iteration:end', ({ loss }) => seen.push(loss));
  await run.setUp();
  await run.train();
  return seen;
}

test('two simultaneous runs in one process give the same bits as alone', async (t) => {
  const plugins = { checkpoint: false, 'run-log': false, report: false, profiler: false };
  const settings: RunSettings[] = [
    { engine: 'auto', seed: 1, train: { max_iters: 6 }, model: { dropout: 0.1 }, plugins },
    { engine: 'wasm', seed: 2, train: { max_iters: 6 }, model: { n_layer: 1 }, plugins },
  ];
  const alone: number[][] = [];
  for (const config of settings) alone.push(await losses(await made(t, config)));
  const created = await Promise.all(settings.map((config) => made(t, config)));
  const together = await Promise.all(created.map(losses));
  t.deepEqual(together, alone);
  t.notDeepEqual(together[0], together[1]);
});

test('the same config gives the same losses, another seed gives others', async (t) => {
  const seen: number[][] = [];
  for (const seed of [1, 1, 2]) {
    await using run = await testRun({ seed, iterations: 4 });
    await run.train();
    seen.push([...run.events.losses.values()]);
  }
  const [first, second, other] = seen;
  t.is(first?.length, 4);
  t.deepEqual(first, second);
  t.notDeepEqual(first, other);
});
