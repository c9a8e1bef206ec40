// Makes the optional packages with the addon for every platform, on one machine, with zig (PyPI: ziglang) as the
// compiler: node prebuild.mjs --out FOLDER [--only PLATFORM,…] [--quick]
// --quick: no optimization and only the portable kernels, to check that everything compiles.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { addonName, sha256Of } from './addon.mjs';
import { buildAddon } from './compile.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, '..', '..', '..');
const zig = process.env.ZIG ?? 'zig';

/**
 * Platforms, in Node's words, and zig's name of each. The C library is the oldest one that Node 20 runs with.
 * @type {Record<string, { target: string, os: string, cpu: string, libc?: string }>}
 */
const platforms = {
  'linux-x64': { target: 'x86_64-linux-gnu.2.28', os: 'linux', cpu: 'x64', libc: 'glibc' },
  'linux-x64-musl': { target: 'x86_64-linux-musl', os: 'linux', cpu: 'x64', libc: 'musl' },
  'linux-arm64': { target: 'aarch64-linux-gnu.2.28', os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'linux-arm64-musl': { target: 'aarch64-linux-musl', os: 'linux', cpu: 'arm64', libc: 'musl' },
  'darwin-x64': { target: 'x86_64-macos.11.0', os: 'darwin', cpu: 'x64' },
  'darwin-arm64': { target: 'aarch64-macos.11.0', os: 'darwin', cpu: 'arm64' },
  'win32-x64': { target: 'x86_64-windows-gnu', os: 'win32', cpu: 'x64' },
};

const { values } = parseArgs({
  options: { out: { type: 'string' }, only: { type: 'string' }, quick: { type: 'boolean', default: false } },
});
if (values.out === undefined) throw new Error('--out FOLDER is missing');
for (const name of values.only?.split(',') ?? Object.keys(platforms)) {
  console.log(await writePackage(path.resolve(values.out, `native-${name}`), name));
}

/** Compiles the addon for a platform, and writes its package. Returns the package's folder. */
async function writePackage(folder, name) {
  const platform = platforms[name];
  if (platform === undefined) throw new Error(`no platform ${name}: there are ${Object.keys(platforms).join(', ')}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { target, os, cpu, libc } = platform;
  const helpers = path.join(folder, 'link');
  mkdirSync(helpers);
  const addon = path.join(folder, addonName);
  await buildAddon(addon, {
    toolchain: { compiler: [zig, 'c++', '-target', target], platform: os, arch: cpu },
    link: ['-s', ...linkArguments(os, helpers)],
    ...(values.quick
      ? { optimize: ['-O0', '-fno-sanitize=all'], without: ['avx2', 'avx512', 'avx512bf16', 'amxbf16'] }
      : {}),
  });
  rmSync(helpers, { recursive: true });
  const { version, license, engines } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const described = {
    name: `@espalier/native-${name}`,
    version,
    description: `The native engine of espalier, compiled for ${name}`,
    license,
    engines,
    os: [os],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    type: 'commonjs',
    main: addonName,
    sha256: sha256Of(addon),
    files: [addonName],
    // Yarn keeps other packages in zip files, from which no system loads a library.
    preferUnplugged: true,
  };
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(described, null, 2)}\n`);
  writeFileSync(
    path.join(folder, 'README.md'),
    `# ${described.name}\n\nThe native engine of [espalier](https://www.npmjs.com/package/espalier), compiled for ${name}. It is installed with espalier; there is no need to install it yourself.\n`,
  );
  copyFileSync(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'));
  return folder;
}

/** Returns the linker's arguments that a system needs, after writing the files that they name into a folder. */
function linkArguments(os, folder) {
  if (os === 'win32') return [nodeImports(folder)];
  // Otherwise its name would be the path where it is made.
  if (os === 'darwin') return [`-Wl,-install_name,@rpath/${addonName}`];
  // Otherwise `new` of Node's C++ library, which throws its own exceptions, would be used instead of ours.
  const script = path.join(folder, 'exports.map');
  writeFileSync(script, '{ global: napi_*; node_api_*; local: *; };\n');
  return [`-Wl,--version-script=${script}`];
}

/** Writes the import library of Node's C functions. Returns its path. */
function nodeImports(folder) {
  const headers = path.dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json'));
  const library = path.join(folder, 'node_api.lib');
  const definitions = path.join(headers, 'def', 'node_api.def');
  const args = ['dlltool', '-m', 'i386:x86-64', '-d', definitions, '-l', library];
  const { status, stderr, error } = spawnSync(zig, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`zig dlltool failed: ${error?.message ?? stderr}`);
  return library;
}
