import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import load from 'node-gyp-build';
import { addonFolder, loadBinding } from '../../../../plugins/engines/native/binding.js';
import { espalier } from '../../../e2e/command.js';
import { engineNeed, needing } from '../../../needs.js';

const native = await engineNeed('native');

test('installing without a C++ compiler succeeds, and prints the consequence in one line', (t) => {
  const folder = packageFolder(t);
  const { status, stderr } = install(folder, { CXX: 'no-such-compiler' });
  t.is(status, 0);
  t.regex(
    stderr,
    /^espalier: the native engine is not there.*no C\+\+ compiler \(no-such-compiler\); install one .*\n$/,
  );
  t.false(existsSync(path.join(folder, 'build')));
});

test('installing with a compiler that fails succeeds, names the log and leaves no half-built addon', (t) => {
  const folder = packageFolder(t);
  const compiler = path.join(folder, 'broken-compiler');
  writeFileSync(compiler, '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "error: no such header"\nexit 1\n', {
    mode: 0o755,
  });
  const { status, stderr } = install(folder, { CXX: compiler });
  t.is(status, 0);
  const log = path.join(folder, 'build', 'build.log');
  t.regex(stderr, /^espalier: the native engine is not there.*its build failed, see .*build\.log\n$/);
  t.regex(readFileSync(log, 'utf8'), /error: no such header/);
  t.false(existsSync(path.join(folder, 'build', 'Release', 'espalier_native.node')));
});

const withAddon = needing(native);

withAddon('a prebuilt addon in the prebuildify layout is loaded, and nothing is built', async (t) => {
  const folder = packageFolder(t);
  const prebuilt = path.join(folder, await prebuiltPath());
  mkdirSync(path.dirname(prebuilt), { recursive: true });
  copyFileSync(load.path(addonFolder), prebuilt);
  const { status, stderr } = install(folder, { CXX: 'no-such-compiler' });
  t.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  t.is(load.path(folder), prebuilt);
  t.deepEqual(keysOf(load(folder)), keysOf(loadBinding()));
});

withAddon('a prebuilt addon that does not load is rebuilt if there is a compiler', async (t) => {
  const folder = packageFolder(t);
  const prebuilt = path.join(folder, await prebuiltPath());
  mkdirSync(path.dirname(prebuilt), { recursive: true });
  writeFileSync(prebuilt, 'for another C library');
  const { status, stderr } = install(folder, { CXX: 'no-such-compiler' });
  t.is(status, 0);
  t.regex(stderr, /no C\+\+ compiler \(no-such-compiler\)/);
});

const others = ['g++-9', 'g++-10', 'g++-11', 'g++-13', 'g++-14', 'clang++'].filter(
  (compiler) => spawnSync(compiler, ['--version']).status === 0,
);

needing(native, {
  name: 'C++ compilers',
  missing: others.length > 0 ? undefined : 'there is only one',
  enable: 'install others (Debian: apt install g++-11 clang)',
  peer: true,
})('the addon builds with the other C++ compilers of this machine', (t) => {
  const folder = packageFolder(t);
  const build = `import { buildAddon } from ${JSON.stringify(path.join(folder, 'install.mjs'))};
    await buildAddon(process.argv[1], { optimize: ['-O0'] });`;
  for (const compiler of others) {
    const output = path.join(folder, `${compiler}.node`);
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', build, output], {
      env: { ...process.env, CXX: compiler },
      encoding: 'utf8',
    });
    t.is(status, 0, `${compiler}: ${stderr}`);
    t.deepEqual(keysOf(createRequire(output)(output)), keysOf(loadBinding()));
  }
});

function keysOf(addon: unknown): string[] {
  return typeof addon === 'object' && addon !== null ? Object.keys(addon) : [];
}

/** Copies the plugin's folder as in an installed package that is not built yet; removed after the test. */
function packageFolder(t: ExecutionContext): string {
  const root = mkdtempSync(path.join(tmpdir(), 'espalier-install-'));
  t.teardown(() => {
    rmSync(root, { recursive: true, force: true });
  });
  const folder = path.join(root, 'plugins', 'engines', 'native');
  cpSync(path.join(addonFolder, 'src'), path.join(folder, 'src'), { recursive: true });
  copyFileSync(path.join(addonFolder, 'install.mjs'), path.join(folder, 'install.mjs'));
  symlinkSync(fileURLToPath(new URL('../../../../../node_modules', import.meta.url)), path.join(root, 'node_modules'));
  return folder;
}

function install(folder: string, env: NodeJS.ProcessEnv): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [path.join(folder, 'install.mjs')], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
}

/** Where the release script leaves the addon for this machine, relative to the plugin's folder. */
async function prebuiltPath(): Promise<string> {
  const script: { prebuiltAddon: string } = await import(path.join(addonFolder, 'install.mjs'));
  return path.relative(addonFolder, script.prebuiltAddon);
}

withAddon('`engine install native` builds what is missing, and says what it cannot do', async (t) => {
  const folder = packageFolder(t);
  const there = await espalier(folder, 'engine', 'install', 'native');
  t.is(there.code, 0, there.err);
  t.regex(there.out, /^it is there: .* kernels; --force builds it again\nengine native works: /);
  const gpu = await espalier(folder, 'engine', 'install', 'native', '--gpu');
  t.is(gpu.code, 2);
  t.regex(gpu.err, /engine native computes on CPUs.*ESP_USAGE/);
});
