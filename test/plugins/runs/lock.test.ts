import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isInUse, lockFolder, refuseInUse } from '../../../plugins/runs/lock/lock.js';
import { emptyFolder } from '../../e2e/command.js';
import { linux, needing, processNamespaces, program, type Need } from '../../needs.js';

const module = new URL('../../../plugins/runs/lock/lock.js', import.meta.url).href;
/** Says whether it has the folder, and keeps it until its input ends. */
const HOLDER = `
const { lockFolder } = await import(${JSON.stringify(module)});
try {
  const release = await lockFolder(process.argv[1]);
  console.log('held');
  process.stdin.resume().on('end', release);
} catch (thrown) {
  console.log(thrown.message);
}`;
/** As where koffi is not installed. */
const WITHOUT_KOFFI = `data:text/javascript,${encodeURIComponent(`
import { register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(
  'export function resolve(name, context, next) { if (name === "koffi") throw new Error("no koffi"); return next(name, context); }'
));`)}`;

interface Holder {
  readonly process: ChildProcess;
  /** Its first line. */
  readonly said: Promise<string>;
  readonly ended: Promise<unknown>;
}

type Locks = 'library' | 'command' | 'none';
interface How {
  readonly locks?: Locks;
  /** What starts it. */
  readonly before?: readonly string[];
}

function holder(t: ExecutionContext, folder: string, how: How = {}): Holder {
  const { locks = 'library', before = [] } = how;
  const without = locks === 'library' ? [] : ['--import', WITHOUT_KOFFI];
  const node = [process.execPath, ...without, '--input-type=module', '-e', HOLDER];
  const [command, ...args] = [...before, ...node, folder];
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: locks === 'none' ? { ...process.env, PATH: '' } : process.env,
  });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => child.on('close', resolve));
  const said = new Promise<string>((resolve) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => {
      resolve(text.trim());
    });
    void ended.then(() => {
      resolve('');
    });
  });
  return { process: child, said, ended };
}

async function kill({ process: child, ended }: Holder): Promise<void> {
  child.kill('SIGKILL');
  await ended;
}

const needs: Record<Locks, Need[]> = { library: [], command: [linux(), program('flock')], none: [linux()] };
const ways: Record<Locks, string> = {
  library: 'flock of the C library',
  command: 'the command flock',
  none: 'a file, where the system has no locks',
};

for (const locks of ['library', 'command', 'none'] as const) {
  const title = (what: string): string => `${ways[locks]}: ${what}`;
  const testable = needing(...needs[locks]);

  testable(title('a living owner keeps others out by name; once killed it is in nobody’s way'), async (t) => {
    const folder = emptyFolder(t);
    const first = holder(t, folder, { locks });
    t.is(await first.said, 'held');
    t.true(await isInUse(folder));
    const second = await holder(t, folder, { locks }).said;
    t.regex(second, new RegExp(`is in use by process ${String(first.process.pid)} on .*, since 2.*; wait for it`));
    await kill(first);
    t.true(existsSync(path.join(folder, 'lock')));
    t.false(await isInUse(folder));
    const third = holder(t, folder, { locks });
    t.is(await third.said, 'held');
    third.process.stdin?.end();
    await third.ended;
    t.false(existsSync(path.join(folder, 'lock')), 'given back');
  });

  testable(title('of many that want the folder of a dead one, exactly one has it'), async (t) => {
    const folder = emptyFolder(t);
    const dead = holder(t, folder, { locks });
    t.is(await dead.said, 'held');
    await kill(dead);
    const all = await Promise.all(Array.from({ length: 6 }, () => holder(t, folder, { locks }).said));
    t.is(all.filter((said) => said === 'held').length, 1, all.join('\n'));
    t.true(
      all.every((said) => said === 'held' || /in use by|is taking over/.test(said)),
      all.join('\n'),
    );
  });
}

const namespace = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];

needing(processNamespaces())('an owner in another PID namespace is not considered dead', async (t) => {
  const folder = emptyFolder(t);
  const inside = holder(t, folder, { before: namespace });
  t.is(await inside.said, 'held');
  await t.throwsAsync(lockFolder(folder), { code: 'ESP_RUN_FOLDER_LOCKED' });
  t.regex(await holder(t, folder, { before: namespace }).said, /is in use by/);
  t.true(await isInUse(folder));
  await kill(inside);
});

/** A lock of another machine on a shared disk. */
function foreignLock(folder: string): string {
  const file = path.join(folder, 'lock');
  writeFileSync(file, JSON.stringify({ pid: 14, started: '1', host: 'old-pod', boot: 'another', os: true, id: 'x' }));
  return file;
}

test('another machine’s lock is watched, and refused with owner and advice if the owner is alive', async (t) => {
  const folder = emptyFolder(t);
  const file = foreignLock(folder);
  // Its clock is wrong.
  let seconds = Date.now() / 1000 - 600;
  const beating = setInterval(() => {
    utimesSync(file, ++seconds, seconds);
  }, 300);
  t.teardown(() => {
    clearInterval(beating);
  });
  utimesSync(file, seconds, seconds);
  const said: string[] = [];
  const error = await t.throwsAsync(lockFolder(folder, { say: (line) => said.push(line) }), {
    code: 'ESP_RUN_FOLDER_LOCKED',
  });
  t.regex(error.message, /in use by process 14 on old-pod .*delete .*lock\)/);
  t.regex(said.join('\n'), /process 14 on old-pod: waiting up to 30 s/);
  t.regex(readFileSync(file, 'utf8'), /old-pod/);
});

test('another machine’s lock that nobody updates is taken over, whatever its time', async (t) => {
  const [old, ahead] = [emptyFolder(t), emptyFolder(t)];
  const [oldFile, aheadFile] = [foreignLock(old), foreignLock(ahead)];
  const [hoursAgo, tomorrow] = [Date.now() / 1000 - 7200, Date.now() / 1000 + 86_400];
  utimesSync(oldFile, hoursAgo, hoursAgo);
  utimesSync(aheadFile, tomorrow, tomorrow);
  (await lockFolder(old))();
  const from = performance.now();
  const release = await lockFolder(ahead, { watch: 2000 });
  t.true(performance.now() - from > 1900, 'it was watched');
  await t.throwsAsync(refuseInUse(ahead), { code: 'ESP_RUN_FOLDER_LOCKED' });
  release();
  t.false(existsSync(aheadFile));
});

test('a partially written lock file blocks nobody', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'lock'), '{"pid":');
  t.false(await isInUse(folder));
  const release = await lockFolder(folder);
  await t.throwsAsync(lockFolder(folder), { code: 'ESP_RUN_FOLDER_LOCKED' }, 'nor twice in one process');
  release();
  t.false(existsSync(path.join(folder, 'lock')));
});
