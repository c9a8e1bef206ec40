import { writeFileSync } from 'node:fs';
import { EspalierError, UsageError, type InstallRequest } from '../../../core/index.js';
import { addCommand } from '../../packages/contract.js';
import { pip, requireTools, type Tool } from '../install/command.js';
import { installInto } from '../install/folder.js';
import { buildBinding, compiler } from './build.js';
import { installFolder, isInstalled, recordFile, versions, type Variant } from './cache.js';
import { checkCopy, type CheckedCopy } from './check.js';
import { copyIn } from './copies.js';
import { fetchPackages } from './npm.js';
import { fetchTensorflow } from './wheels.js';

const tools: readonly Tool[] = [
  pip,
  { args: ['npm', '--version'], need: 'npm' },
  { args: ['tar', '--version'], need: 'tar' },
  { args: [compiler, '--version'], need: 'a C++17 compiler (Debian: apt install g++), or CXX naming one' },
];

/** Of a copy on the disk. */
const BYTES: Readonly<Record<Variant, number>> = { cpu: 1e9, gpu: 3e9 };

/**
 * Installs a copy of TensorFlow for this engine with the machine's own package managers: the library from PyPI,
 * tfjs-node from npm, and a C++ compiler for the binding between them. An existing copy that works is kept.
 * @throws EspalierError naming the missing tool or the failed step
 */
export async function installTensorflow({ gpu, device, force, log }: InstallRequest): Promise<void> {
  if (device !== undefined)
    throw new UsageError('ESP_USAGE', 'engine tensorflow has no --device: --gpu installs it for NVIDIA GPUs');
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
      log(`already installed: ${there.detail}; --force installs it again`);
      return;
    }
    log(`${there.detail}; installing it again`);
  }
  await requireTools(tools);
  const checked = await installInto(folder, BYTES[variant], async (work) => {
    const made = await make(work, variant, log);
    return { ...made, detail: made.detail.replace(work, folder) };
  });
  log(`installed ${checked.detail}`);
  if (variant === 'gpu' && !checked.gpu)
    log('no GPU was found: `nvidia-smi` says whether this machine has one, and its driver');
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
