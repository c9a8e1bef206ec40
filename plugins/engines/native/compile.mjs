// Compiles the addon for a platform, with the machine's C++ compiler or with one for other platforms.
import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the C++ sources. */
export const source = path.join(path.dirname(fileURLToPath(import.meta.url)), 'src');

const avx2 = ['-mavx2', '-mfma'];
const avx512 = [...avx2, '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mprefer-vector-width=512'];
const avx512bf16 = [...avx512, '-mavx512bf16'];
const amxbf16 = [...avx512bf16, '-mamx-tile', '-mamx-bf16'];

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

/**
 * @typedef {{ compiler: readonly string[], platform: string, arch: string }} Toolchain
 *   compiler: the command and its first arguments; platform, arch: those of the addon, in Node's words
 */

/**
 * The machine's own compiler.
 * @returns {Toolchain}
 */
export function ownToolchain() {
  return { compiler: [process.env.CXX ?? 'c++'], platform: process.platform, arch: process.arch };
}

/**
 * Compiles the addon to `output`, sources in parallel.
 * @param {string} output
 * @param {{
 *   toolchain?: Toolchain, optimize?: readonly string[], link?: readonly string[], emulateTiles?: boolean,
 *   without?: readonly string[]
 * }} options
 *   emulateTiles: the variant for AMX works on every processor, slowly, for tests;
 *   without: names of variants to leave out
 */
export async function buildAddon(
  output,
  { toolchain = ownToolchain(), optimize = ['-O3'], link = [], emulateTiles = false, without = [] } = {},
) {
  const objects = `${output}.objects`;
  rmSync(objects, { recursive: true, force: true });
  mkdirSync(objects, { recursive: true });
  const variants = variantsFor(toolchain, objects, emulateTiles, without);
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
    await inParallel(steps, ({ object, args }) => run(toolchain.compiler, [...args, '-o', object]));
    const symbols = toolchain.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
    const made = path.join(objects, 'made.node');
    await run(toolchain.compiler, [
      ...['-shared', '-pthread', ...symbols],
      ...steps.map(({ object }) => object),
      ...link,
      ...['-o', made],
    ]);
    // Atomically, because a running process keeps the file that it has mapped.
    renameSync(made, output);
  } finally {
    rmSync(objects, { recursive: true, force: true });
  }
}

/**
 * Compiler flags of each variant of the kernels, without those that the compiler does not know.
 * The portable one comes first, so that the linker takes from it what they share.
 */
function variantsFor({ compiler, platform, arch }, folder, emulateTiles, without) {
  if (arch !== 'x64') return { portable: [] };
  const wanted = { avx2, avx512, avx512bf16, ...(platform === 'linux' ? { amxbf16 } : {}) };
  const known = Object.entries(wanted).filter(
    ([name, flags]) => !without.includes(name) && accepts(compiler, flags, folder),
  );
  const emulated = emulateTiles ? { amxbf16: ['-DESPALIER_EMULATE_TILES'] } : {};
  return { portable: [], ...Object.fromEntries(known), ...emulated };
}

/** Compiles nothing with the flags; zig would link with `-fsyntax-only`. */
function accepts([command, ...first], flags, folder) {
  const args = [...first, ...flags, '-x', 'c++', '-c', '/dev/null', '-o', path.join(folder, 'nothing.o')];
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
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

function run([program, ...first], args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...first, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
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
