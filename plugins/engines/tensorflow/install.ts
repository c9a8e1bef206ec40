import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { addCommand, EspalierError, messageOf, type InstallRequest } from '../../../core/index.js';
import { makeFolder, removeOnExit } from '../../files/contract.js';
import { buildBinding } from './build.js';
import { installFolder, isInstalled, recordFile, versions, type Variant } from './cache.js';
import { checkCopy, type CheckedCopy } from './check.js';
import { copyIn } from './copies.js';
import { requireTools } from './command.js';
import { fetchPackages } from './npm.js';
import { fetchTensorflow } from './wheels.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Installs a copy of TensorFlow for this engine with the machine's own package managers: the library from PyPI,
 * tfjs-node from npm, and a C++ compiler for the binding between them. An existing copy that works is kept.
 * @throws EspalierError naming the missing tool or the failed step
 */
export async function installTensorflow({ gpu, force, log }: InstallRequest): Promise<void> {
  if (process.platform !== 'linux') {
    throw new EspalierError(
      'ESP_ENGINE',
      `this install is for Linux; on ${process.platform} run \`${addCommand('@tensorflow/tfjs-node')}\` in your project`,
    );
  }
  const variant: Variant = gpu ? 'gpu' : 'cpu';
  const folder = installFolder(variant);
  if (!force && isInstalled(folder)) {
    const there = await checkCopy(copyIn(folder, variant));
    if (there.works) {
      log(`it is there: ${there.detail}; --force installs it again`);
      return;
    }
    log(`${there.detail}; installing it again`);
  }
  await requireTools();
  const parent = path.dirname(folder);
  try {
    makeFolder(parent);
  } catch (thrown) {
    throw new EspalierError(
      'ESP_ENGINE',
      `${parent} cannot be made: ${messageOf(thrown)}; set ESPALIER_CACHE to a folder that can be written`,
    );
  }
  removeAbandoned(parent);
  const work = mkdtempSync(`${folder}.tmp-`);
  const keep = removeOnExit(work);
  try {
    const checked = await make(work, variant, log);
    replace(folder, work);
    log(`installed ${checked.detail.replace(work, folder)}`);
    if (variant === 'gpu' && !checked.gpu)
      log('no GPU was found: `nvidia-smi` says whether this machine has one, and its driver');
  } finally {
    rmSync(work, { recursive: true, force: true });
    keep();
  }
}

async function make(folder: string, variant: Variant, log: (line: string) => void): Promise<CheckedCopy> {
  await fetchPackages(folder, log);
  await fetchTensorflow(folder, variant, log);
  await buildBinding(folder, log);
  const checked = await checkCopy(copyIn(folder, variant));
  if (!checked.works) throw new EspalierError('ESP_ENGINE', `what was built does not work: ${checked.detail}`);
  writeFileSync(recordFile(folder), `${JSON.stringify({ ...versions, variant }, null, 2)}\n`);
  return checked;
}

function replace(folder: string, work: string): void {
  // Named like an unfinished copy, so that a later install removes it if this one is killed here.
  const old = `${folder}.tmp-old-${String(process.pid)}`;
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(work, folder);
  // May still be in use: a process keeps the libraries that it has loaded.
  rmSync(old, { recursive: true, force: true });
}

/** Removes what killed installs left; newer folders may belong to another process. */
function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent).filter((entry) => /^tensorflow-(cpu|gpu)\.tmp-/.test(entry))) {
    const left = path.join(parent, name);
    if (Date.now() - statSync(left).mtimeMs > DAY_MS) rmSync(left, { recursive: true, force: true });
  }
}
