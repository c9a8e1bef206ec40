import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';

/** The command as it is run. */
export const commandFile = fileURLToPath(new URL('../../plugins/command-line/shell/main.js', import.meta.url));

export interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** An empty folder that is gone after the test. */
export function emptyFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** An empty folder for all tests of a file, which calls this once, before its tests; gone after them. */
export function sharedFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
  test.after.always(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/**
 * The same, as the system's temporary folder for this file's tests and the commands that they start: test files run at
 * once, so what is in the machine's own may be another's.
 */
export function ownTemporaryFolder(): string {
  const folder = sharedFolder();
  for (const name of ['TMPDIR', 'TMP', 'TEMP']) process.env[name] = folder;
  return folder;
}

/** Runs the real command in a folder, as a user does. */
export function espalier(cwd: string, ...args: string[]): Promise<Outcome> {
  return piped(cwd, '', ...args);
}

/** The same, with something on its standard input. */
export function piped(cwd: string, input: string | Uint8Array, ...args: string[]): Promise<Outcome> {
  return ran(commandFile, cwd, args, input);
}

/** The same, of the package that `file` is the command of. */
export function ran(file: string, cwd: string, args: string[], input: string | Uint8Array = ''): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [file, ...args], { cwd, maxBuffer: 1 << 26 }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, out, err });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

/** Starts the real command and gives its process, to be stopped half-way. */
export function started(cwd: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, [commandFile, ...args], { cwd, stdio: ['pipe', 'ignore', 'ignore'] });
}
