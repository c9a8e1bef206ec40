// Builds the native engine's addon with the machine's C++17 compiler; run by `npm install`, before `npm test`, and by
// `espalier engine install native` (with --force: even if it exists).
// It never fails the install: without a compiler, or if the build fails, it prints the consequence in one line.
// Plain JavaScript, because nothing is compiled yet when it runs.
import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const source = path.join(here, 'src');

const avx2 = ['-mavx2', '-mfma'];
const avx512 = [...avx2, '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mprefer-vector-width=512'];
const avx512bf16 = [...avx512, '-mavx512bf16'];
const x86 = { avx2, avx512, avx512bf16 };
const tiles = ['-mamx-tile', '-mamx-bf16'];

/**
 * Compiler flags of each variant of the kernels, without those that the compiler does not know.
 * The portable one comes first, so that the linker takes from it what they share.
 */
function variantsFor(compiler, emulateTiles, without) {
  if (process.arch !== 'x64') return { portable: [] };
  const wanted = { ...x86, ...(process.platform === 'linux' ? { amxbf16: [...avx512bf16, ...tiles] } : {}) };
  const known = Object.entries(wanted).filter(([name, flags]) => !without.includes(name) && accepts(compiler, flags));
  const emulated = emulateTiles ? { amxbf16: ['-DESPALIER_EMULATE_TILES'] } : {};
  return { portable: [], ...Object.fromEntries(known), ...emulated };
}

function accepts(compiler, flags) {
  const args = [...flags, '-fsyntax-only', '-x', 'c++', '/dev/null'];
  return spawnSync(compiler, args, { stdio: 'ignore' }).status === 0;
}

const warnings = ['-Wall', '-Wextra', '-Wno-psabi', '-Wno-uninitialized', '-Wno-maybe-uninitialized'];
const common = [
  '-std=c++17',
  '-fPIC',
  '-fvisibility=hidden',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-ffp-contract=fast',
  '-pthread',
  '-DNAPI_VERSION=8',
  '-DNODE_ADDON_API_CPP_EXCEPTIONS',
  ...warnings,
];

/** Where `npm install` puts the addon: the layout of node-gyp-build and prebuildify. */
export const builtAddon = path.join(here, 'build', 'Release', 'espalier_native.node');

/** Where a release puts the addon for this platform; node-gyp-build loads it if none was built. */
export const prebuiltAddon = path.join(
  here,
  'prebuilds',
  `${process.platform}-${process.arch}`,
  `${prebuiltName()}.node`,
);

/**
 * Compiles the addon to `output`, sources in parallel.
 * @param {string} output
 * @param {{
 *   optimize?: readonly string[], link?: readonly string[], emulateTiles?: boolean, without?: readonly string[]
 * }} options
 *   emulateTiles: the variant for AMX works on every processor, slowly, for tests;
 *   without: names of variants to leave out
 */
export async function buildAddon(output, { optimize = ['-O3'], link = [], emulateTiles = false, without = [] } = {}) {
  const compiler = process.env.CXX ?? 'c++';
  const objects = `${output}.objects`;
  rmSync(objects, { recursive: true, force: true });
  mkdirSync(objects, { recursive: true });
  const variants = variantsFor(compiler, emulateTiles, without);
  const facts = Object.keys(variants).map((name) => `-DESPALIER_HAS_${name}`);
  if (emulateTiles) facts.push('-DESPALIER_EMULATE_TILES');
  const compile = (file, name, flags) => ({
    object: path.join(objects, `${name}.o`),
    args: [...common, ...optimize, ...includes(), ...flags, '-c', path.join(source, file)],
  });
  const steps = [
    ...onceCompiled().map((name) => compile(`${name}.cc`, name, facts)),
    ...Object.entries(variants).map(([name, flags]) =>
      compile('variant.cc', `variant-${name}`, [...flags, `-DESPALIER_VARIANT=${name}`]),
    ),
  ];
  try {
    await inParallel(steps, ({ object, args }) => run(compiler, [...args, '-o', object]));
    const symbols = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
    const made = path.join(objects, 'made.node');
    await run(compiler, ['-shared', '-pthread', ...symbols, ...link, ...steps.map(({ object }) => object), '-o', made]);
    // Atomically, because a running process keeps the file that it has mapped.
    renameSync(made, output);
  } finally {
    rmSync(objects, { recursive: true, force: true });
  }
}

/** Sources that are the same for every variant. */
function onceCompiled() {
  const names = readdirSync(source).filter((file) => file.endsWith('.cc') && file !== 'variant.cc');
  return names.map((file) => path.basename(file, '.cc'));
}

function includes() {
  const require = createRequire(import.meta.url);
  return ['node-addon-api', 'node-api-headers'].map((name) => {
    const folder = path.dirname(require.resolve(`${name}/package.json`));
    return `-I${name === 'node-api-headers' ? path.join(folder, 'include') : folder}`;
  });
}

async function inParallel(items, work) {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let printed = '';
    child.stdout.on('data', (data) => (printed += data));
    child.stderr.on('data', (data) => (printed += data));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(undefined);
      else reject(new Error(`${program} exited with ${code}:\n${printed}`));
    });
  });
}

/** Returns true if the addon exists and no source is newer. */
function upToDate() {
  if (!existsSync(builtAddon)) return false;
  const built = statSync(builtAddon).mtimeMs;
  const sources = [...readdirSync(source).map((name) => path.join(source, name)), fileURLToPath(import.meta.url)];
  return sources.every((file) => statSync(file).mtimeMs <= built);
}

function prebuiltName() {
  return process.platform === 'linux' ? 'node.napi.glibc' : 'node.napi';
}

/** Returns true if a release's addon loads: it may need a newer C library than this machine's. */
function prebuiltWorks() {
  if (!existsSync(prebuiltAddon)) return false;
  try {
    createRequire(import.meta.url)(prebuiltAddon);
    return true;
  } catch {
    return false;
  }
}

async function install(force) {
  if (process.platform === 'win32') return lost('it is not built on Windows yet');
  if (!force && (upToDate() || prebuiltWorks())) return;
  const compiler = process.env.CXX ?? 'c++';
  if (spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
    return lost(
      `there is no C++ compiler (${compiler}); install one (Debian: apt install g++) and run \`espalier engine install native\``,
    );
  }
  const log = path.join(here, 'build', 'build.log');
  try {
    await buildAddon(builtAddon);
    rmSync(log, { force: true });
  } catch (error) {
    lost(`its build failed${keepLog(log, String(error))}`);
  }
}

/** Returns where to read the reason: the log file, or the text itself if the package's folder cannot be written. */
function keepLog(log, text) {
  try {
    mkdirSync(path.dirname(log), { recursive: true });
    writeFileSync(log, text);
    return `, see ${log}`;
  } catch {
    return `: ${text}`;
  }
}

function lost(why) {
  console.error(`espalier: the native engine is not there, training will be several times slower: ${why}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await install(process.argv.includes('--force'));
