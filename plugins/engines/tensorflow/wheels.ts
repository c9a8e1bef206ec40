import { existsSync, readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '../../files/contract.js';
import { runCommand } from '../install/command.js';
import { anyPython, fetchWheel } from '../install/wheel.js';
import { versions, type Variant } from './cache.js';

/** What is extracted from the wheel: the two libraries, and the headers that tfjs-node's C++ includes. */
const taken = [
  'tensorflow/libtensorflow_cc.so.2',
  'tensorflow/libtensorflow_framework.so.2',
  'tensorflow/include/tensorflow/c/',
  'tensorflow/include/tensorflow/core/platform/',
  'tensorflow/include/xla/tsl/',
  'tensorflow/include/tsl/',
];

/**
 * Fetches TensorFlow's C library and headers from PyPI (to `tensorflow`), for GPUs also NVIDIA's libraries (to
 * `nvidia`).
 */
export async function fetchTensorflow(folder: string, variant: Variant, log: (line: string) => void): Promise<void> {
  const spec = `${wheelName(variant)}==${versions.tensorflow}`;
  log(`fetching ${spec} with pip (${variant === 'gpu' ? '570' : '270'} MB)`);
  const metadata = await fetchWheel({ spec, taken }, folder);
  if (variant === 'gpu') await fetchNvidia(folder, nvidiaRequirements(metadata), log);
}

function nvidiaRequirements(metadata: string): string[] {
  return [...metadata.matchAll(/^Requires-Dist: (nvidia-[^;\n]*)/gm)].map(([, requirement = '']) => requirement.trim());
}

async function fetchNvidia(
  folder: string,
  requirements: readonly string[],
  log: (line: string) => void,
): Promise<void> {
  log(`fetching ${String(requirements.length)} NVIDIA libraries with pip (2 GB)`);
  await runCommand('python3', ['-m', 'pip', 'install', ...anyPython, '--target', folder, ...requirements]);
  linkTogether(path.join(folder, 'nvidia'));
}

/**
 * Links every library of pip's layout, `nvidia/NAME/lib`, to where TensorFlow looks: its libraries know most of those
 * folders, but 2.21's do not know cuSOLVER's, and TensorFlow then silently uses the CPU.
 */
export function linkTogether(nvidia: string): void {
  const searched = path.join(nvidia, 'cuda_runtime', 'lib');
  makeFolder(searched);
  for (const name of readdirSync(nvidia)) {
    const folder = path.join(nvidia, name, 'lib');
    if (folder === searched || !existsSync(folder)) continue;
    for (const file of readdirSync(folder).filter((entry) => entry.includes('.so'))) {
      const link = path.join(searched, file);
      if (!existsSync(link)) symlinkSync(path.join('..', '..', name, 'lib', file), link);
    }
  }
}

function wheelName(variant: Variant): string {
  // tensorflow-cpu does not exist for ARM; the plain wheel has no CUDA there.
  return variant === 'gpu' || process.arch === 'arm64' ? 'tensorflow' : 'tensorflow-cpu';
}
