import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import ts from 'typescript';
import { emptyFolder } from '../e2e/command.js';
import { namedFiles, pages, type Page } from './pages.js';

/** Their tests run in tests of their own: `test/plugins/testing/guide.test.ts` and `test/e2e/packages.test.ts`. */
const ELSEWHERE = ['docs/plugins/testing-plugins.md', 'docs/plugins/command.md'];

/** Pages about what can be swapped or added, other than the overview and what all of them share. */
const SHARED = [
  'writing-plugins',
  'plugin-class',
  'tensors',
  'testing-plugins',
  'packages',
  'conformance',
  'command',
  'weight-formats',
];

const written = pages().filter(({ file }) => file.startsWith('docs/plugins/'));

test('the tests shown on the plugin pages pass', async (t) => {
  const root = emptyFolder(t);
  mkdirSync(path.join(root, 'node_modules'));
  for (const [name, to] of [
    ['espalier', '.'],
    ['zod', 'node_modules/zod'],
    ['@tensorflow', 'node_modules/@tensorflow'],
  ] as const) {
    symlinkSync(path.resolve(to), path.join(root, 'node_modules', name), 'junction');
  }
  writeFileSync(path.join(root, 'package.json'), '{ "type": "module" }');
  const tests = written
    .filter((page) => !ELSEWHERE.includes(page.file) && hasTest(page))
    .flatMap((page) => {
      const folder = path.posix.basename(page.file, '.md');
      mkdirSync(path.join(root, folder));
      const files = [...namedFiles(page)].filter(([name]) => name.endsWith('.ts'));
      for (const [name, code] of files) {
        writeFileSync(path.join(root, folder, name.replace(/\.ts$/, '.js')), compiled(code));
      }
      return files.flatMap(([name]) =>
        name.endsWith('.test.ts') ? [`./${folder}/${name.replace(/\.ts$/, '.js')}`] : [],
      );
    });
  writeFileSync(path.join(root, 'all.js'), tests.map((file) => `await import('${file}');\n`).join(''));
  // Else Node's runner takes itself for one of a test.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { stdout } = await promisify(execFile)(process.execPath, ['all.js'], { cwd: root, env }).catch(failed);
  const count = tests.length;
  t.true(count > 10);
  const [, passed] = /^# pass (\d+)$/m.exec(stdout) ?? [];
  t.true(Number(passed) >= count, stdout);
  t.regex(stdout, /^# fail 0$/m);
});

test('every page about a plugin has a plugin, its config, a test and a reference', (t) => {
  const lacking = written.flatMap((page) => {
    const name = path.posix.basename(page.file, '.md');
    if (SHARED.includes(name)) return [];
    const names = [...namedFiles(page).keys()];
    const has = {
      'a file': names.some((file) => file.endsWith('.ts') && !file.endsWith('.test.ts')),
      'a test': hasTest(page),
      Config: page.text.includes('\n## Config\n'),
      Reference: page.text.includes('\n## Reference\n'),
    };
    return Object.entries(has).flatMap(([what, isThere]) => (isThere ? [] : [`${name}: ${what}`]));
  });
  t.deepEqual(lacking, []);
});

function hasTest(page: Page): boolean {
  return [...namedFiles(page).keys()].some((name) => name.endsWith('.test.ts'));
}

/** A file as JavaScript, with its imports of other files of the page. */
function compiled(code: string): string {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022, experimentalDecorators: true },
  });
  return outputText.replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.js'");
}

/** What a command that failed printed, as the error. */
function failed(thrown: unknown): never {
  const printed = typeof thrown === 'object' && thrown !== null && 'stdout' in thrown ? String(thrown.stdout) : '';
  throw new Error(printed, { cause: thrown });
}
