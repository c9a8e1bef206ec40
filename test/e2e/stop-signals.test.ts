import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { stopSignals } from '../../plugins/signals/contract.js';
import { commandFile, emptyFolder } from './command.js';

/** Starts a command, waits until it has said something, sends signals and returns its exit code with what it said. */
async function stopped(
  cwd: string,
  args: readonly string[],
  until: RegExp,
  signals: readonly NodeJS.Signals[],
): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [commandFile, ...args], { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.write('a text, of which more may follow\n');
  let said = '';
  let isSent = false;
  const hear = (text: string): void => {
    said += text;
    if (isSent || !until.test(said)) return;
    isSent = true;
    for (const signal of signals) child.kill(signal);
  };
  child.stdout.setEncoding('utf8').on('data', hear);
  child.stderr.setEncoding('utf8').on('data', hear);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, said };
}

for (const signal of stopSignals.filter((each) => ['SIGTERM', 'SIGHUP', 'SIGQUIT'].includes(each))) {
  test(`${signal} ends dashboard with 128 + its number; SIGUSR1 before it opens no debugger`, async (t) => {
    const folder = emptyFolder(t);
    mkdirSync(path.join(folder, 'runs/x/checkpoints'), { recursive: true });
    writeFileSync(path.join(folder, 'runs/x/metrics.jsonl'), '{"iter":1,"tokens":1,"train/loss":2}\n');
    const { code, said } = await stopped(folder, ['dashboard', '--port', '0'], /http:/, ['SIGUSR1', signal]);
    t.is(code, 128 + constants.signals[signal], said);
    t.notRegex(said, /Debugger/);
  });
}

test('verify-resume ends its runs and removes their folder on SIGHUP', async (t) => {
  const folder = emptyFolder(t);
  const temporary = path.join(folder, 'tmp');
  mkdirSync(temporary);
  const child = spawn(process.execPath, [commandFile, 'verify-resume', '--preset', 'debug', '-n', '100000'], {
    cwd: folder,
    env: { ...process.env, TMPDIR: temporary },
    stdio: 'ignore',
  });
  const code = new Promise<number | null>((resolve) => child.on('close', resolve));
  const trains = (): boolean =>
    readdirSync(temporary).some((name) => readdirSync(path.join(temporary, name)).length > 0);
  while (!trains()) await new Promise((resolve) => setTimeout(resolve, 50));
  child.kill('SIGHUP');
  t.is(await code, 129);
  t.deepEqual(readdirSync(temporary), []);
});

test('an unfinished folder is removed when a signal ends the process', async (t) => {
  const folder = emptyFolder(t);
  const files = new URL('../../plugins/files/contract.js', import.meta.url).href;
  const signals = new URL('../../plugins/command-line/shell/first.js', import.meta.url).href;
  const script = `
    import ${JSON.stringify(signals)};
    import { removeOnExit } from ${JSON.stringify(files)};
    import { mkdirSync, writeFileSync } from 'node:fs';
    for (const name of ['half', 'whole']) {
      mkdirSync(name);
      writeFileSync(name + '/file', '');
      const keep = removeOnExit(name);
      if (name === 'whole') keep();
    }
    setInterval(() => undefined, 1000);
    process.kill(process.pid, 'SIGQUIT');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: folder, stdio: 'inherit' });
  t.is(await new Promise((resolve) => child.on('close', resolve)), 131);
  t.false(existsSync(path.join(folder, 'half')));
  t.true(existsSync(path.join(folder, 'whole/file')));
});
