import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);

test('the plugin and the tests of docs/plugins/testing-plugins.md run unchanged', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const page = readFileSync('docs/plugins/testing-plugins.md', 'utf8');
  const files = [...page.matchAll(/```(?:ts|json)\n\/\/ (\S+)\n([^]*?)```/g)];
  t.deepEqual(
    files.map(([, name]) => name),
    ['loss-average.ts', 'loss-average.test.ts', 'tsconfig.json'],
  );
  for (const [, name = '', code = ''] of files) writeFileSync(path.join(folder, name), code);
  mkdirSync(path.join(folder, 'node_modules'));
  for (const [name, to] of [
    ['espalier', '.'],
    ['zod', 'node_modules/zod'],
    ['@types', 'node_modules/@types'],
  ] as const) {
    symlinkSync(path.resolve(to), path.join(folder, 'node_modules', name), 'junction');
  }
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  // Otherwise Node's test runner believes it runs inside a test.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const node = (...args: string[]): Promise<{ stdout: string }> => run(process.execPath, args, { cwd: folder, env });
  // Only the packed espalier has declarations that compile without it: `.ci/package` checks those.
  await node(path.resolve('node_modules/typescript/bin/tsc'), '--skipLibCheck').catch(failed);
  const { stdout } = await node('--test', 'dist').catch(failed);
  t.regex(stdout, /# pass 7\n/);
  t.regex(stdout, /# fail 0\n/);
});

/** Returns the output of a failed command as the error. */
function failed(thrown: unknown): never {
  const printed = typeof thrown === 'object' && thrown !== null && 'stdout' in thrown ? String(thrown.stdout) : '';
  throw new Error(printed, { cause: thrown });
}
