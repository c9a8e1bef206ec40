import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { PluginError } from '../../../core/index.js';
import {
  listenerThrows,
  nanGradients,
  signalArrives,
  testRun,
  TestClock,
  writeFails,
  MemoryCheckpoints,
} from '../../../plugins/testing/contract.js';

test.serial('a run in memory trains, evaluates and keeps checkpoints, and leaves no file', async (t) => {
  await using run = await testRun();
  const { status, folder } = await run.train();
  t.is(status, 'done');
  t.deepEqual(run.checkpoints.names, ['000006', '000003']);
  t.is(run.checkpoints.latest, '000006');
  t.false(existsSync(folder));
  t.deepEqual([...run.events.losses.keys()], [0, 1, 2, 3, 4, 5]);
  t.is(run.events.of('evaluation:end').length, 2);
  t.is(run.events.metric('val/loss').get(6), run.events.of('evaluation:end')[1]?.losses.val);
  t.is(run.events.names.at(-1), 'run:end');
  t.true(run.log.some(({ line }) => line.startsWith('saved latest')));
});

test.serial('equal seeds and texts give equal runs', async (t) => {
  const losses = async (seed: number, text?: string): Promise<number[]> => {
    await using run = await testRun({ seed, iterations: 2, ...(text === undefined ? {} : { text }) });
    await run.train();
    return [...run.events.losses.values()];
  };
  const first = await losses(1);
  t.deepEqual(await losses(1), first);
  t.notDeepEqual(await losses(2), first);
  t.notDeepEqual(await losses(1, 'abracadabra '.repeat(40)), first);
});

test.serial('a run with a folder writes the command’s files, and resumes from them', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const run = await testRun({ folder, faults: [signalArrives({ event: 'iteration:end', at: 4 })] });
  t.is((await run.train()).exitCode, 143);
  await run.dispose();
  t.true(readdirSync(path.join(folder, 'checkpoints')).includes('000004-emergency'));
  await using resumed = await testRun({ folder, resume: true });
  t.is(resumed.run.state.iteration, 4);
  t.is((await resumed.train()).status, 'done');
});

test.serial('a listener that throws fails the run with its name', async (t) => {
  await using run = await testRun({ faults: [listenerThrows({ event: 'step:ready', at: 2 }, new Error('boom'))] });
  const thrown = await t.throwsAsync(run.train(), { instanceOf: PluginError });
  t.is(thrown.message, 'plugin test failed at step:ready: boom');
  t.is(run.events.of('run:end')[0]?.status, 'failed');
});

test.serial('a run with the checkpoint plugin turned off stores no checkpoints', async (t) => {
  for (const off of [{ set: ['plugins.checkpoint=false'] }, { config: { plugins: { checkpoint: false } } }]) {
    await using run = await testRun(off);
    t.is((await run.train()).status, 'done');
    t.deepEqual(run.checkpoints.names, []);
  }
});

test.serial('a simulated signal stops the run like a real one, with an emergency checkpoint', async (t) => {
  await using run = await testRun({ faults: [signalArrives({ event: 'batch:ready', at: 1 }, 'SIGINT')] });
  t.like(await run.train(), { status: 'stopped', exitCode: 130, iteration: 2 });
  t.deepEqual(run.checkpoints.names, ['000002-emergency']);
  t.is(run.process.exitCode, undefined);
});

test.serial('injected NaN gradients reach the health checks', async (t) => {
  await using run = await testRun({ plugins: ['health'], faults: [nanGradients({ iteration: 2 })] });
  await run.train().catch(() => undefined);
  const { gradNorm } = run.events.of('step:ready')[2] ?? {};
  t.is(gradNorm, NaN);
  t.true(run.log.some(({ line }) => /NaN|not finite/.test(line)));
});

test.serial('if a checkpoint cannot be written, the previous one stays', async (t) => {
  const checkpoints = new MemoryCheckpoints();
  const run = await testRun({ checkpoints, faults: [writeFails([6])] });
  await t.throwsAsync(run.train(), { code: 'ESP_CHECKPOINT_WRITE' });
  t.deepEqual(checkpoints.names, ['000003']);
  t.is(run.events.of('checkpoint:failed')[0]?.iteration, 6);
  await run.dispose();
  await using resumed = await testRun({ checkpoints });
  t.is(resumed.run.state.iteration, 3);
});

test.serial('time passes only when the test advances it', (t) => {
  const real = performance.now();
  {
    using clock = new TestClock(1_000);
    clock.advance(250);
    t.is(performance.now(), 250);
    t.is(Date.now(), 1_250);
  }
  t.true(performance.now() >= real);
});
