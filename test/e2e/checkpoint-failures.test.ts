import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findCheckpoint } from '../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../plugins/checkpoint/stored/read.js';
import { textFolder } from '../text.js';
import { commandFile } from './command.js';
import { espalier } from './warm.js';
import { mounting, needing, processNamespaces } from '../needs.js';

const tiny = ['engine=auto', 'data.text=text.txt', 'run.dir=out', 'plugins.evaluation.interval=0'];
const flags = (...settings: string[]): string[] => [
  'train',
  '--preset',
  'debug',
  ...[...tiny, ...settings].flatMap((setting) => ['--set', setting]),
];

/** Starts the command and waits for a text on standard error, or for its end. */
async function until(t: ExecutionContext, cwd: string, text: RegExp, args: readonly string[], shell?: string) {
  const child =
    shell === undefined
      ? spawn(process.execPath, [commandFile, ...args], { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
      : spawn('bash', ['-c', shell, process.execPath, commandFile, ...args], {
          cwd,
          stdio: ['ignore', 'ignore', 'pipe'],
        });
  t.teardown(() => child.kill('SIGKILL'));
  let err = '';
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await new Promise<void>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      err += piece;
      if (text.test(err)) resolve();
    });
    void ended.then(() => {
      resolve();
    });
  });
  return { child, ended, said: () => err };
}

const withDisk = needing(mounting());

/** A file system of that many bytes. */
function smallDisk(t: ExecutionContext, folder: string, options: string): void {
  mkdirSync(folder);
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
  t.teardown(() => execFileSync('umount', ['-l', folder]));
}

test('a second process on a run folder is refused; after SIGKILL the folder is free', async (t) => {
  const folder = textFolder(t);
  const args = flags('train.max_iters=100000', 'plugins.progress.interval=1', 'plugins.checkpoint.interval=5');
  const first = await until(t, folder, /saved latest/, args);
  const second = await espalier(folder, ...flags('train.max_iters=5'), '--resume');
  t.is(second.code, 2, second.err);
  t.regex(second.err, new RegExp(`in use by process ${first.child.pid}.*ESP_RUN_FOLDER_LOCKED`, 's'));
  const forced = await espalier(folder, ...flags('train.max_iters=5'), '--force', '--dry-run');
  t.is(forced.code, 2, forced.err);
  t.regex(forced.err, /ESP_RUN_FOLDER_LOCKED/);
  first.child.kill('SIGKILL');
  await first.ended;
  const { iteration } = (await readCheckpoint(await findCheckpoint('out', folder))).state.run;
  const third = await espalier(folder, ...flags(`train.max_iters=${iteration + 2}`), '--resume');
  t.is(third.code, 0, third.err);
  t.false(existsSync(path.join(folder, 'out/lock')));
});

withDisk('a folder that cannot be written is refused before training', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'file'), '');
  const { code, err } = await espalier(folder, ...flags('run.dir=file/run'));
  t.is(code, 2);
  t.regex(err, /ESP_RUN_FOLDER\]/);
  t.notRegex(err, /iteration 1/);
  smallDisk(t, path.join(folder, 'read-only'), 'size=1m,ro');
  const onDisk = await espalier(folder, ...flags('run.dir=read-only'));
  t.is(onDisk.code, 2, onDisk.err);
  t.regex(onDisk.err, /read-only.*ESP_RUN_FOLDER\]/s);
});

withDisk(
  'a full disk: the run says so, continues with the last good checkpoint, and saves again when there is room',
  async (t) => {
    const folder = textFolder(t);
    smallDisk(t, path.join(folder, 'disk'), 'size=1m');
    const args = flags(
      'run.dir=disk/run',
      'train.max_iters=100000',
      'plugins.run-log=false',
      'plugins.progress.interval=1',
      'plugins.checkpoint={interval: 5, keep: {last: 1}}',
    );
    const run = await until(t, folder, /saved latest/, args);
    writeFileSync(path.join(folder, 'disk/filler'), '');
    try {
      writeFileSync(path.join(folder, 'disk/filler'), Buffer.alloc(1 << 20));
    } catch {
      // The disk is full now, as it should be.
    }
    await seen(run.said, /cannot be written: ENOSPC/);
    const whole = await findCheckpoint('disk/run', folder);
    await t.notThrowsAsync(readCheckpoint(whole));
    const before = run.said().length;
    writeFileSync(path.join(folder, 'disk/filler'), '');
    await seen(() => run.said().slice(before), /saved latest/);
    run.child.kill('SIGTERM');
    t.is(await run.ended, 143, run.said());
    const { iteration } = (await readCheckpoint(await findCheckpoint('disk/run', folder))).state.run;
    t.is(iteration, Number(/after (\d+) iterations/.exec(run.said())?.[1]));
  },
);

test('a file-size limit: the run trains to its end, then fails saying which checkpoint is missing', async (t) => {
  const folder = textFolder(t);
  const args = flags('train.max_iters=3', 'plugins.checkpoint.interval=2');
  const run = await until(t, folder, /nothing/, args, 'trap "" XFSZ; ulimit -f 100; exec "$0" "$@"');
  t.is(await run.ended, 1, run.said());
  t.regex(run.said(), /cannot be written: EFBIG.*training continues.*ESP_CHECKPOINT_WRITE/s);
  await t.throwsAsync(findCheckpoint('out', folder), { code: 'ESP_CHECKPOINT_NOT_FOUND' });
});

test('SIGUSR1 saves a checkpoint, and the run continues', async (t) => {
  const folder = textFolder(t);
  const args = flags('train.max_iters=100000', 'plugins.progress.interval=1');
  const run = await until(t, folder, /iteration 3\//, args);
  run.child.kill('SIGUSR1');
  await seen(run.said, /saved latest/);
  const before = run.said().length;
  await seen(() => run.said().slice(before), /iteration \d+\//);
  run.child.kill('SIGKILL');
  await run.ended;
  t.true((await readCheckpoint(await findCheckpoint('out', folder))).state.run.iteration >= 3);
});

test('a run whose output pipe is closed continues to its end', async (t) => {
  const folder = textFolder(t);
  const shell = 'set -o pipefail; ("$0" "$@"; echo "$?" > code) 2>&1 | head -n 1 >&2';
  const run = await until(t, folder, /nothing/, flags('train.max_iters=30', 'plugins.progress.interval=1'), shell);
  await run.ended;
  t.is(readFileSync(path.join(folder, 'code'), 'utf8').trim(), '0');
  t.is((await readCheckpoint(await findCheckpoint('out', folder))).state.run.iteration, 30);
});

test('a signal that npm forwards a second time counts once', async (t) => {
  const folder = textFolder(t);
  const scripts = {
    train: `${process.execPath} ${commandFile} ${flags('train.max_iters=100000', 'plugins.progress.interval=1').join(' ')}`,
  };
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ scripts }));
  // A group of its own, signalled whole, as a terminal does on Ctrl-C.
  const child = spawn('npm', ['run', '--silent', 'train'], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('npm did not start');
  let err = '';
  let sent = false;
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    err += piece;
    if (sent || !err.includes('iteration 3/')) return;
    sent = true;
    process.kill(-pid, 'SIGINT');
  });
  await new Promise((resolve) => child.on('close', resolve));
  t.regex(err, /stopped: SIGINT/);
  t.regex(await findCheckpoint('out', folder), /-emergency$/);
});

needing(processNamespaces())('as process 1 of a container it also stops cleanly', async (t) => {
  const folder = textFolder(t);
  const args = flags('train.max_iters=100000', 'plugins.progress.interval=1');
  // The shell outside knows the process that unshare forked; inside, that one is process 1.
  const shell =
    'unshare --pid --fork "$0" "$@" & child=$!; trap \'kill -TERM $(pgrep -P $child)\' TERM; wait $child; wait $child; echo "code $?" >&2';
  const run = await until(t, folder, /iteration 3\/|unshare:|not found/, args, shell);
  t.regex(run.said(), /iteration 3\//);
  run.child.kill('SIGTERM');
  await run.ended;
  t.regex(run.said(), /stopped: SIGTERM.*code 143/s);
  t.regex(await findCheckpoint('out', folder), /-emergency$/);
});

async function seen(text: () => string, wanted: RegExp): Promise<void> {
  while (!wanted.test(text())) await new Promise((resolve) => setTimeout(resolve, 20));
}
