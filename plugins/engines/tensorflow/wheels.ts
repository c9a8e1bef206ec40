import { existsSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { EspalierError } from '../../../core/index.js';
import { makeFolder } from '../../files/contract.js';
import { versions, type Variant } from './cache.js';
import { runCommand } from './command.js';

// Wheels are built per Python version, but contain the same library, so the machine's own version does not matter.
const forPython = [
  '--no-deps',
  '--only-binary=:all:',
  '--python-version',
  '3.12',
  '--disable-pip-version-check',
  '--quiet',
];

/** What is extracted from the wheel: the two libraries, and the headers that tfjs-node's C++ includes. */
const taken = [
  'tensorflow/libtensorflow_cc.so.2',
  'tensorflow/libtensorflow_framework.so.2',
  'tensorflow/include/tensorflow/c/',
  'tensorflow/include/tensorflow/core/platform/',
  'tensorflow/include/xla/tsl/',
  'tensorflow/include/tsl/',
];

// Prints the wheel's NVIDIA requirements, after extracting the entries that start with one of the given names.
const TAKE = `
import sys, zipfile
wheel, target, *names = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.namelist():
        if entry.startswith(tuple(names)):
            archive.extract(entry, target)
        if entry.endswith('.dist-info/METADATA'):
            for line in archive.read(entry).decode().splitlines():
                if line.startswith('Requires-Dist: nvidia-'):
                    print(line.removeprefix('Requires-Dist: ').split(';')[0].strip())
`;

/**
 * Fetches TensorFlow's C library and headers from PyPI (to `tensorflow`), for GPUs also NVIDIA's libraries (to
 * `nvidia`).
 */
export async function fetchTensorflow(folder: string, variant: Variant, log: (line: string) => void): Promise<void> {
  const spec = `${wheelName(variant)}==${versions.tensorflow}`;
  const downloads = path.join(folder, 'download');
  makeFolder(downloads);
  log(`fetching ${spec} with pip (${variant === 'gpu' ? '570' : '270'} MB)`);
  await runCommand('python3', ['-m', 'pip', 'download', ...forPython, '--dest', downloads, spec]);
  const wheel = readdirSync(downloads).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new EspalierError('ESP_ENGINE', `pip downloaded no wheel of ${spec}`);
  const printed = await runCommand('python3', ['-c', TAKE, path.join(downloads, wheel), folder, ...taken]);
  rmSync(downloads, { recursive: true });
  if (variant === 'gpu') await fetchNvidia(folder, printed.trim().split('\n'), log);
}

async function fetchNvidia(
  folder: string,
  requirements: readonly string[],
  log: (line: string) => void,
): Promise<void> {
  log(`fetching ${String(requirements.length)} NVIDIA libraries with pip (2 GB)`);
  await runCommand('python3', ['-m', 'pip', 'install', ...forPython, '--target', folder, ...requirements]);
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
