import { cpSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { addonFolder } from '../../plugins/engines/native/binding.js';
import { engineNeed, needing } from '../needs.js';
import { emptyFolder, ran, sharedFolder, type Outcome } from './command.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const native = await engineNeed('native');

/** The package as installed with build scripts off: without the native engine's addon. */
const installed = sharedFolder();
const addon = path.join(installed, 'plugins', 'engines', 'native');
for (const name of ['node_modules', 'package.json', 'presets']) {
  symlinkSync(path.join(repository, name), path.join(installed, name));
}
for (const name of ['dist/core', 'dist/plugins', 'plugins/engines/native']) {
  const isBuilt = (file: string): boolean => file === path.join(repository, 'plugins/engines/native/build');
  cpSync(path.join(repository, name), path.join(installed, name), {
    recursive: true,
    filter: (file) => !isBuilt(file),
  });
}
test.beforeEach(() => {
  rmSync(path.join(addon, 'build'), { recursive: true, force: true });
});

/** Runs `espalier doctor` with this compiler; TensorFlow, which may be in the cache, is not found. */
async function doctor(t: ExecutionContext, compiler: string, ...args: string[]): Promise<Outcome> {
  const folder = emptyFolder(t);
  const before = { CXX: process.env['CXX'], ESPALIER_CACHE: process.env['ESPALIER_CACHE'] };
  Object.assign(process.env, { CXX: compiler, ESPALIER_CACHE: folder });
  const outcome = ran(path.join(installed, 'dist/plugins/command-line/shell/main.js'), folder, ['doctor', ...args]);
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  }
  return outcome;
}

/** Writes a program that answers as a compiler with this end; to be quick, it links nothing new. */
function compiler(t: ExecutionContext, end: string): string {
  const file = path.join(emptyFolder(t), 'c++');
  const script = `#!/bin/sh\n[ "$1" = --version ] && exit 0\nfor last; do :; done\n${end}\n`;
  writeFileSync(file, script, { mode: 0o755 });
  return file;
}

needing(native).serial(
  'doctor --fix builds the native engine that is missing; then nothing is left to fix',
  async (t) => {
    const links = compiler(
      t,
      `cp '${path.join(addonFolder, 'build/Release/espalier_native.node')}' "$last" 2>/dev/null || true`,
    );
    const before = await doctor(t, links);
    t.regex(before.out, /^ {2}no +native +it is not built, .*run `espalier engine install native`.*npm rebuild/m);

    const fixed = await doctor(t, links, '--fix');
    t.is(fixed.code, 0, fixed.err);
    t.regex(fixed.out, /^native: building the addon/m);
    t.regex(fixed.out, /^fixed: engine native is installed$/m);
    t.regex(fixed.out, /^ {2}works +native .*kernels/m);
    t.regex(fixed.out, /^ {2}no +tensorflow .*`espalier engine install tensorflow`/m);

    const again = await doctor(t, links, '--fix', '--json');
    t.like(JSON.parse(again.out), { auto: 'native', fixes: [] });
  },
);

test.serial('what cannot be fixed is said, with what to do', async (t) => {
  const { code, out } = await doctor(t, 'no-such-compiler', '--fix');
  t.is(code, 0);
  t.regex(out, /^ {2}no +native .*install a C\+\+17 compiler and run `espalier engine install native`$/m);
  t.regex(out, /^nothing to fix: /m);
});

test.serial('a build that fails is reported with its log, and the other engines still are', async (t) => {
  const { code, out } = await doctor(t, compiler(t, 'echo "error: no such header"; exit 1'), '--fix');
  t.is(code, 0);
  t.regex(out, /^not fixed: engine native: its build failed, see .*build\.log$/m);
  t.regex(out, /^ {2}works +wasm /m);
});
