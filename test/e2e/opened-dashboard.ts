import { spawn, type ChildProcess } from 'node:child_process';
import type { ExecutionContext } from 'ava';
import { commandFile } from './command.js';

/** Starts the command, and waits for the address of its page; the process is gone after the test. */
export async function opened(
  t: ExecutionContext,
  cwd: string,
  ...args: string[]
): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [commandFile, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    const listen = (piece: Buffer): void => {
      said += piece.toString();
      const found = /dashboard: (http:\S+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('close', () => reject(new Error(said)));
  });
  return { url, child };
}
