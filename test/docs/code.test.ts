import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import ts from 'typescript';
import { z } from 'zod';
import { checkConfig } from '../../core/config/check.js';
import { accepted } from '../../core/config/findings.js';
import { composeRequest, type RunRequest } from '../../core/run/make.js';
import { sharedFolder } from '../e2e/command.js';
import { callsIn, parseCall } from './commands.js';
import { codeBlocks, namedFiles, nameOf, pages, type CodeBlock, type Page } from './pages.js';

const { scripts: declared } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')));
const scripts = new Set(Object.keys(declared));

const KINDS = new Set(['', 'sh', 'console', 'yaml', 'ts', 'json']);

/** Every page that has code has a folder with the files that it shows. */
const root = sharedFolder();
linkPackages(root);
const shown = pages().filter((page) => codeBlocks(page).length > 0);
for (const page of shown) {
  mkdirSync(folderOf(page), { recursive: true });
  for (const block of checked(page)) writeNamed(folderOf(page), block);
}

for (const page of shown) {
  test(`${page.file}: commands and configs are valid, and what is not checked is marked as an excerpt`, async (t) => {
    const folder = folderOf(page);
    const wrong: string[] = [];
    const check = async (place: string, what: () => unknown): Promise<void> => {
      try {
        await what();
      } catch (thrown) {
        wrong.push(`${place}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      }
    };
    for (const { language, info, code, line } of checked(page)) {
      const place = placeOf(page, line);
      const isNamed = nameOf(code) !== undefined;
      if (!KINDS.has(language) || info !== '') wrong.push(`${place}: mark "${language}" as an excerpt`);
      if (language === 'ts' && !isNamed)
        wrong.push(`${place}: give its file in its first line, or mark it as an excerpt`);
      if (language === 'json' && !isNamed) await check(place, () => JSON.parse(code));
      if (language === 'yaml') await check(place, () => checkYaml(folder, code));
    }
    for (const call of callsIn(page)) await check(call.place, () => checkCall(folder, call));
    for (const name of npmScripts(checked(page))) if (!scripts.has(name)) wrong.push(`${page.file}: npm run ${name}`);
    t.deepEqual(wrong, []);
  });
}

test('the programs of all pages compile', (t) => {
  const files = shown.flatMap((page) =>
    checked(page).flatMap(({ language, code }) => {
      const name = language === 'ts' ? nameOf(code) : undefined;
      return name === undefined ? [] : [path.join(folderOf(page), name)];
    }),
  );
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    strict: true,
    skipLibCheck: true,
    experimentalDecorators: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    types: ['node'],
    typeRoots: [path.resolve('node_modules/@types')],
  });
  const errors = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const where = file === undefined ? '' : path.relative(root, file.fileName);
    return `${where}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
  t.deepEqual(errors, []);
});

test('every program in the guides is run by a test with its name', (t) => {
  const tests = readdirSync('test', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(path.join('test', file), 'utf8'))
    .join('\n');
  const unrun = pages().flatMap((page) => {
    // What the tests on a page import, `plugin-pages.test.ts` runs.
    const own = [...namedFiles(page)].filter(([name]) => name.endsWith('.test.ts'));
    const isRun = (name: string): boolean =>
      tests.includes(name) || own.some(([file, code]) => file === `${name}.ts` || code.includes(`'./${name}.js'`));
    return codeBlocks(page)
      .filter(({ language, info }) => language === 'ts' && info !== 'excerpt')
      .flatMap(({ code, line }) => {
        const name = path.posix.basename(nameOf(code) ?? '', '.ts');
        return name !== '' && isRun(name) ? [] : [`${placeOf(page, line)}: ${name}`];
      });
  });
  t.deepEqual(unrun, []);
});

function npmScripts(blocks: readonly CodeBlock[]): string[] {
  const shells = blocks.filter(({ language }) => ['sh', 'console'].includes(language));
  return shells.flatMap(({ code }) => [...code.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name));
}

function writeNamed(folder: string, { code }: CodeBlock): void {
  const name = nameOf(code);
  if (name === undefined) return;
  mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  writeFileSync(path.join(folder, name), code);
}

async function checkCall(folder: string, call: Parameters<typeof parseCall>[0]): Promise<void> {
  const asked = await parseCall(call);
  if (asked === undefined) return;
  const { preset: presets, set, config } = asked;
  // Files that another command of the page would have made.
  const known = presets.filter((name) => !name.startsWith('.') || existsSync(path.join(folder, name)));
  const configFile = config ?? (presets.length > 0 ? false : undefined);
  if (presets.length > 0 && known.length === 0) return;
  if (config !== undefined && !existsSync(path.join(folder, config))) return;
  await checkRequest({ cwd: folder, presets: known, set, ...(configFile === undefined ? {} : { configFile }) });
}

async function checkYaml(folder: string, code: string): Promise<void> {
  const name = nameOf(code);
  if (name !== undefined && /^\s*(?:#.*\n)*\s*- /.test(code)) return;
  const file = name ?? 'block.yaml';
  writeFileSync(path.join(folder, file), code);
  await checkRequest({ cwd: folder, presets: ['base'], configFile: file });
}

async function checkRequest(request: RunRequest): Promise<void> {
  accepted(await checkConfig(await composeRequest(request), request));
}

function checked(page: Page): CodeBlock[] {
  return codeBlocks(page).filter(({ info }) => info !== 'excerpt');
}

function folderOf({ file }: Page): string {
  return path.join(root, file.replace(/\.md$/, ''));
}

function linkPackages(folder: string): void {
  mkdirSync(path.join(folder, 'node_modules'));
  for (const [name, to] of [
    ['espalier', '.'],
    ['zod', 'node_modules/zod'],
    ['@types', 'node_modules/@types'],
    ['@tensorflow', 'node_modules/@tensorflow'],
  ] as const) {
    symlinkSync(path.resolve(to), path.join(folder, 'node_modules', name), 'junction');
  }
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
}

function placeOf({ file }: Page, line: number): string {
  return `${file}:${String(line)}`;
}
