// The native engine's tests on an addon that is built with the address and undefined-behaviour sanitizers.
// Works on a copy, so that the addon in the clone stays as it is. `npm run sanitize`; Linux with g++ and its libasan.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const compiler = process.env.CXX ?? 'c++';
const sanitizers = '-fsanitize=address,undefined';
/** Variants that not every x86 processor runs, with their names in /proc/cpuinfo. */
const scarce = { avx512: 'avx512f', avx512bf16: 'avx512_bf16' };

const runtime = spawnSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout?.trim() ?? '';
if (process.platform !== 'linux' || !existsSync(runtime)) {
  console.log(`sanitize: skipped: it needs Linux and a C++ compiler with libasan (${compiler} has none)`);
  process.exit(0);
}

const folder = mkdtempSync(path.join(tmpdir(), 'espalier-sanitize-'));
try {
  process.exitCode = await sanitize();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function sanitize() {
  for (const name of [
    'dist',
    'presets',
    'package.json',
    'plugins/dashboard/page',
    'plugins/engines/native/src',
    'plugins/engines/native/addon.mjs',
    'plugins/engines/native/compile.mjs',
  ]) {
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  const native = pathToFileURL(path.join(folder, 'plugins/engines/native/')).href;
  const { buildAddon } = await import(`${native}compile.mjs`);
  const { builtAddon } = await import(`${native}addon.mjs`);
  mkdirSync(path.dirname(builtAddon), { recursive: true });
  const processor = readFileSync('/proc/cpuinfo', 'utf8').split(/\s+/);
  const without = Object.keys(scarce).filter((name) => !processor.includes(scarce[name]));
  console.log(`sanitize: building the addon${without.map((name) => `, without ${name}`).join('')}`);
  await buildAddon(builtAddon, {
    optimize: ['-O1', '-g1', '-fno-omit-frame-pointer', sanitizers, '-fno-sanitize-recover=undefined'],
    link: [sanitizers],
    emulateTiles: true,
    without,
  });
  const tests = [
    'plugins/ops/kernels',
    'plugins/ops/document-attention',
    'plugins/engines/native/variants',
    'plugins/engines/native/boundary',
    'plugins/engines/native/tfjs-kernels',
    'plugins/engines/native/elementwise',
    'plugins/engines/native/few-rows',
    'plugins/engines/native/taking-over',
    'plugins/engines/native/determinism',
  ];
  const ava = path.join(folder, 'node_modules/ava/entrypoints/cli.mjs');
  const { status } = spawnSync(
    process.execPath,
    // A sanitized run in f32 takes five minutes, and calls what the one in bf16 calls.
    [
      ava,
      '--match=*native*',
      '--match=!*in f32: a run is the same bits*',
      '--timeout=20m',
      ...tests.map((name) => `dist/test/${name}.test.js`),
    ],
    {
      cwd: folder,
      stdio: 'inherit',
      env: {
        ...process.env,
        LD_PRELOAD: runtime,
        // Node never frees some of its memory, and V8's traps of WebAssembly are signals that are meant to happen.
        ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:allow_user_segv_handler=1:allocator_may_return_null=1',
        UBSAN_OPTIONS: 'print_stacktrace=1',
        // Other engines have no part in this.
        ESPALIER_CACHE: path.join(folder, 'no-cache'),
      },
    },
  );
  return status ?? 1;
}
