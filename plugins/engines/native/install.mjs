// Builds the native engine's addon with the machine's C++17 compiler, unless the optional package for this platform has
// it; run by `npm install`, before `npm test`, and by `espalier engine install native` (with --force: in any case).
// It never fails the install: without a compiler, or if the build fails, it prints the consequence in one line.
// Plain JavaScript, because nothing is compiled yet when it runs.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtAddon, loadPrebuilt, prebuiltPackage } from './addon.mjs';
import { buildAddon, source } from './compile.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

async function install(force) {
  if (!force && (upToDate() || hasPrebuilt())) return;
  if (process.platform === 'win32')
    return lost(`${prebuiltPackage} is not installed, and it is not compiled on Windows`);
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

/** Returns true if the addon exists and no source is newer. */
function upToDate() {
  if (!existsSync(builtAddon)) return false;
  const built = statSync(builtAddon).mtimeMs;
  const scripts = ['install.mjs', 'compile.mjs'].map((name) => path.join(here, name));
  const sources = [...readdirSync(source).map((name) => path.join(source, name)), ...scripts];
  return sources.every((file) => statSync(file).mtimeMs <= built);
}

/** Returns true if the optional package's addon loads; says so, or why it does not. */
function hasPrebuilt() {
  try {
    const prebuilt = loadPrebuilt();
    if (prebuilt === undefined) return false;
    console.log(
      `espalier: the native engine is ${prebuilt.origin}; \`espalier engine install native --force\` builds it here`,
    );
    return true;
  } catch (error) {
    console.error(`espalier: ${error.message}; building the native engine instead`);
    return false;
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
