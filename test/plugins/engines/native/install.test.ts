import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { addonFolder, loadBinding } from '../../../../plugins/engines/native/binding.js';
import { espalier } from '../../../e2e/command.js';
import { engineNeed, needing } from '../../../needs.js';

const native = await engineNeed('native');
const addonFile = path.join(addonFolder, 'build', 'Release', 'espalier_native.node');

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

withAddon('with the optional package of this platform, nothing is built, and its addon is loaded', async (t) => {
  const folder = packageFolder(t);
  const name = await prebuilt(folder, readFileSync(addonFile));
  const { status, stdout, stderr } = install(folder, { CXX: 'no-such-compiler' });
  t.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  t.true(stdout.startsWith(`espalier: the native engine is prebuilt, ${name} 1.2.3; `), stdout);
  t.regex(stdout, /`espalier engine install native --force` builds it here\n$/);
  const { loadAddon } = await addonModule(folder);
  const { addon, origin } = loadAddon(() => true);
  t.is(origin, `prebuilt, ${name} 1.2.3`);
  t.deepEqual(keysOf(addon), keysOf(loadBinding()));
});

withAddon('an addon that was built here is preferred to the package, if it loads', async (t) => {
  const folder = packageFolder(t);
  const name = await prebuilt(folder, readFileSync(addonFile));
  const { builtAddon, loadAddon } = await addonModule(folder);
  mkdirSync(path.dirname(builtAddon), { recursive: true });
  writeFileSync(builtAddon, 'for another processor');
  t.is(loadAddon(() => true).origin, `prebuilt, ${name} 1.2.3`);
  rmSync(builtAddon);
  copyFileSync(addonFile, builtAddon);
  t.is(loadAddon(() => true).origin, 'built here');
});

test('a package of another version, or one that does not load, is named with the reason, and the addon is built', async (t) => {
  const folder = packageFolder(t);
  const { loadAddon } = await addonModule(folder);
  const name = await prebuilt(folder, 'for another C library');
  const reason = `${name} does not load (`;
  const { status, stderr } = install(folder, { CXX: 'no-such-compiler' });
  t.is(status, 0);
  t.true(stderr.startsWith(`espalier: ${reason}`), stderr);
  t.regex(stderr, /building the native engine instead\n.*no C\+\+ compiler \(no-such-compiler\)/);
  t.true(t.throws(() => loadAddon(() => true)).message.startsWith(reason));

  await prebuilt(folder, 'for another C library', '1.2.2');
  t.is(t.throws(() => loadAddon(() => true)).message, `${name} has version 1.2.2, and espalier 1.2.3`);
});

withAddon(
  'a package whose addon is cut off or missing is named, and loading it does not end the process',
  async (t) => {
    const folder = packageFolder(t);
    const { loadAddon } = await addonModule(folder);
    const name = await prebuilt(folder, readFileSync(addonFile));
    const file = path.join(folder, 'node_modules', name, 'espalier_native.node');
    truncateSync(file, 100_000);
    const damaged = `${name} is damaged: ${file} is not the file that was published`;
    t.is(t.throws(() => loadAddon(() => true)).message, damaged);
    const { status, stderr } = install(folder, { CXX: 'no-such-compiler' });
    t.is(status, 0);
    t.true(stderr.startsWith(`espalier: ${damaged}; building the native engine instead\n`), stderr);
    rmSync(file);
    t.is(t.throws(() => loadAddon(() => true)).message, damaged);
  },
);

withAddon('an addon without the functions that this version calls is refused', async (t) => {
  const folder = packageFolder(t);
  const { builtAddon, loadAddon } = await addonModule(folder);
  t.regex(
    t.throws(() => loadAddon(() => true)).message,
    /^it is not built, and @espalier\/native-.* is not installed$/,
  );
  mkdirSync(path.dirname(builtAddon), { recursive: true });
  copyFileSync(addonFile, builtAddon);
  t.is(t.throws(() => loadAddon(() => false)).message, 'the addon (built here) is of another version of espalier');
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
  const build = `import { buildAddon } from ${JSON.stringify(path.join(folder, 'compile.mjs'))};
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
  for (const script of ['addon.mjs', 'compile.mjs', 'install.mjs']) {
    copyFileSync(path.join(addonFolder, script), path.join(folder, script));
  }
  symlinkSync(fileURLToPath(new URL('../../../../../node_modules', import.meta.url)), path.join(root, 'node_modules'));
  return folder;
}

function install(folder: string, env: NodeJS.ProcessEnv): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [path.join(folder, 'install.mjs')], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
}

/** Writes the optional package of this platform for espalier 1.2.3. Returns the package's name. */
async function prebuilt(folder: string, addon: string | Buffer, version = '1.2.3'): Promise<string> {
  const { prebuiltPackage } = await addonModule(folder);
  const installed = path.join(folder, 'node_modules', prebuiltPackage);
  mkdirSync(installed, { recursive: true });
  writeFileSync(path.join(folder, '..', '..', '..', 'package.json'), '{ "version": "1.2.3" }');
  const described = { version, main: 'espalier_native.node', sha256: createHash('sha256').update(addon).digest('hex') };
  writeFileSync(path.join(installed, 'package.json'), JSON.stringify(described));
  writeFileSync(path.join(installed, described.main), addon);
  return prebuiltPackage;
}

interface AddonModule {
  readonly builtAddon: string;
  readonly prebuiltPackage: string;
  readonly loadAddon: (isUsable: (addon: unknown) => boolean) => { addon: unknown; origin: string };
}

function addonModule(folder: string): Promise<AddonModule> {
  return import(path.join(folder, 'addon.mjs'));
}

withAddon('`engine install native` builds what is missing, and says what it cannot do', async (t) => {
  const folder = packageFolder(t);
  const there = await espalier(folder, 'engine', 'install', 'native');
  t.is(there.code, 0, there.err);
  t.regex(there.out, /^already built: .* kernels, built here; --force builds it again\nengine native works: /);
  const gpu = await espalier(folder, 'engine', 'install', 'native', '--gpu');
  t.is(gpu.code, 2);
  t.regex(gpu.err, /engine native computes on CPUs.*ESP_USAGE/);
});
