import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { createRun } from '../../../core/index.js';
import { stopSignals } from '../../../plugins/signals/contract.js';
import { testRun } from '../../../plugins/testing/contract.js';
import { textFolder } from '../../text.js';
import { commandFile, espalier } from '../../e2e/command.js';

interface Ended {
  folder: string;
  code: number | null;
  err: string;
}

/** Trains with the real command in a process of its own, and signals it when it says that it is under way, or so long after. */
async function signalled(
  t: ExecutionContext,
  signal: NodeJS.Signals,
  {
    times = 1,
    set = [],
    delayMs = 0,
    onSaid,
  }: {
    times?: number;
    set?: readonly string[];
    delayMs?: number;
    onSaid?: (said: string, send: (signal: NodeJS.Signals) => void) => void;
  } = {},
): Promise<Ended> {
  const folder = textFolder(t);
  const settings = [
    'engine=auto',
    'data.text=text.txt',
    'run.dir=out',
    'train.max_iters=100000',
    'plugins.progress.interval=1',
    'plugins.evaluation.interval=0',
    ...set,
  ];
  const args = ['train', '--preset', 'debug', ...settings.flatMap((setting) => ['--set', setting])];
  const child = spawn(process.execPath, [commandFile, ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  let err = '';
  let scheduled = false;
  let sent = 0;
  const send = (): void => {
    sent++;
    child.kill(signal);
  };
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
    if (!scheduled && err.includes('iteration 3/')) {
      scheduled = true;
      setTimeout(send, delayMs);
    }
    onSaid?.(err, (other) => child.kill(other));
    if (sent > 0 && sent < times && err.includes('stopping after this iteration')) send();
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { folder, code, err };
}

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
  ['SIGHUP', 129],
] as const) {
  test(`${signal} finishes the iteration, saves it whole, and exits with ${code}; the run resumes from there`, async (t) => {
    const { folder, code: exit, err } = await signalled(t, signal);
    t.is(exit, code, err);
    t.regex(err, new RegExp(`stopped: ${signal} after \\d+ iterations`));
    const done = Number(/after (\d+) iterations/.exec(err)?.[1]);
    t.true(done >= 3);
    const found = await findCheckpoint('out', folder);
    t.regex(path.basename(found), /-emergency$/);
    const { state } = await readCheckpoint(found);
    t.is(state.run.iteration, done);
    t.is(state.run.tokens, done * 4 * 32);
    t.regex(readFileSync(path.join(folder, 'out/events.jsonl'), 'utf8'), /"event":"run:end","status":"stopped"/);

    await using run = await createRun({ cwd: folder, resume: 'out', set: [`train.max_iters=${done + 2}`] });
    t.is(run.state.iteration, done);
    t.is((await run.train()).status, 'done');
  });
}

for (const signal of stopSignals.filter((each) => !['SIGTERM', 'SIGINT', 'SIGHUP'].includes(each))) {
  test(`${signal} stops the run with a checkpoint too, and exits with 128 + its number`, async (t) => {
    const { folder, code, err } = await signalled(t, signal);
    t.is(code, 128 + constants.signals[signal], err);
    t.regex(path.basename(await findCheckpoint('out', folder)), /-emergency$/);
  });
}

test('signals.hangup: ignore continues after SIGHUP, and still stops on other signals', async (t) => {
  let sent = false;
  const { code, err } = await signalled(t, 'SIGHUP', {
    times: 2,
    set: ['plugins.signals.hangup=ignore'],
    onSaid: (said, send) => {
      if (sent || !/SIGHUP is ignored[\s\S]*iteration \d+\//.test(said)) return;
      sent = true;
      send('SIGQUIT');
    },
  });
  t.is(code, 131, err);
  t.is(err.match(/SIGHUP is ignored/g)?.length, 1);
});

test('a repeated SIGHUP or SIGXCPU, as the system sends them, does not cut the checkpoint short', async (t) => {
  const { folder } = await signalled(t, 'SIGXCPU', {
    times: 5,
    onSaid: (said, send) => {
      if (said.includes('stopping after')) for (const again of ['SIGXCPU', 'SIGHUP'] as const) send(again);
    },
  });
  t.regex(path.basename(await findCheckpoint('out', folder)), /-emergency$/);
});

test('a second signal ends the process at once, with the same exit code', async (t) => {
  const { folder, code, err } = await signalled(t, 'SIGTERM', { times: 2 });
  t.is(code, 143, err);
  // It may have been quick enough to stop in order: then it says so.
  if (!err.includes('stopped: SIGTERM')) t.false(existsSync(path.join(folder, 'out/checkpoints/latest')));
});

test('a signal during an evaluation stops the run, and the resumed run repeats the evaluation', async (t) => {
  // It would take hours.
  const set = ['plugins.evaluation={interval: 3, iters: 100000000}'];
  const { folder, code, err } = await signalled(t, 'SIGTERM', { set, delayMs: 300 });
  t.is(code, 143, err);
  t.regex(err, /stopped: SIGTERM after 3 iterations/);
  const { state } = await readCheckpoint(await findCheckpoint('out', folder));
  t.true(state.run.owesEvaluation);
});

test.serial('a run made from code does not listen to signals', async (t) => {
  const listening = (): number[] => [...stopSignals, 'SIGUSR1'].map((signal) => process.listenerCount(signal));
  const before = listening();
  await using made = await testRun({ iterations: 1 });
  const { run } = made;
  t.deepEqual(listening(), before);
  let during: number[] = [];
  run.bus.on('iteration:end', () => (during = listening()));
  await run.train();
  t.deepEqual(during, before);
});

test('SIGUSR1 before the run starts opens no debugger, and saves a checkpoint after the first iteration', async (t) => {
  const folder = textFolder(t);
  writeFileSync(
    path.join(folder, 'early.ts'),
    `import { On, Plugin } from 'espalier';
process.kill(process.pid, 'SIGUSR1');
@Plugin({ name: 'early', summary: 'is signalled while it is loaded and while it gets ready' })
export default class Early {
  @On('run:setup')
  async wait(): Promise<void> {
    process.kill(process.pid, 'SIGUSR1');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
`,
  );
  const settings = ['data.text=text.txt', 'run.dir=out', 'train.max_iters=3', 'plugins.evaluation=false'];
  const more = ['plugins={"./early.ts": {}}'];
  const { code, err } = await espalier(
    folder,
    'train',
    ...['--preset', 'debug', ...[...settings, ...more].flatMap((setting) => ['--set', setting])],
  );
  t.is(code, 0, err);
  t.notRegex(err, /Debugger/);
  t.is(err.match(/SIGUSR1: saving a checkpoint after the first iteration/g)?.length, 1, err);
  t.true(existsSync(path.join(folder, 'out/checkpoints/000001')));
});

test('SIGTERM while the run is being set up ends the process at once and creates nothing', async (t) => {
  const folder = textFolder(t);
  writeFileSync(
    path.join(folder, 'slow.ts'),
    `import { On, Plugin } from 'espalier';
@Plugin({ name: 'slow', summary: 'is signalled while it gets ready' })
export default class Slow {
  @On('run:setup')
  async wait(): Promise<void> {
    process.kill(process.pid, 'SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 20_000));
  }
}
`,
  );
  const settings = ['engine=auto', 'data.text=text.txt', 'run.dir=out', 'plugins={"./slow.ts": {}}'];
  const args = ['train', '--preset', 'debug', ...settings.flatMap((setting) => ['--set', setting])];
  const child = spawn(process.execPath, [commandFile, ...args], { cwd: folder, stdio: 'ignore' });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on('close', (...ended) => {
      resolve(ended);
    });
  });
  t.is(signal, null, 'it was told, not killed: process 1 of a container cannot be killed by SIGTERM');
  t.is(code, 143);
  t.false(existsSync(path.join(folder, 'out')));
});
