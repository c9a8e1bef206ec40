import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { installFolder, isInstalled, type Variant } from './cache.js';

const CPU_PACKAGE = '@tensorflow/tfjs-node';
const GPU_PACKAGE = `${CPU_PACKAGE}-gpu`;

/** A copy of tfjs-node with its compiled binding, ready to load or not. */
export interface TensorflowCopy {
  /** The npm package whose JavaScript it is. */
  readonly packageName: string;
  /** For people: where it comes from. */
  readonly source: string;
  /** The folder of tfjs-node's JavaScript. */
  readonly folder: string;
  /** The compiled binding. */
  readonly binding: string;
  /** Loaded before the binding: keeps what TensorFlow prints while it loads off the terminal. */
  readonly preload?: string;
}

/** Every copy within reach, best first: those for a GPU, and of these npm packages beside espalier or in the working folder. */
export function findCopies(): TensorflowCopy[] {
  const found = [fromNpm(GPU_PACKAGE), installedCopy('gpu'), fromNpm(CPU_PACKAGE), installedCopy('cpu')];
  return found.filter((copy) => copy !== undefined);
}

/** The copy that `espalier engine install tensorflow` made, if it is there. */
export function installedCopy(variant: Variant): TensorflowCopy | undefined {
  const folder = installFolder(variant);
  return isInstalled(folder) ? copyIn(folder, variant) : undefined;
}

/** Whether its TensorFlow is the one that looks for a GPU. */
export function isForGpu(copy: TensorflowCopy): boolean {
  return copy.packageName === GPU_PACKAGE;
}

/** The copy in a folder of the installer's layout. */
export function copyIn(folder: string, variant: Variant): TensorflowCopy {
  return {
    packageName: variant === 'gpu' ? GPU_PACKAGE : CPU_PACKAGE,
    source: `espalier engine install, ${folder}`,
    folder: path.join(folder, 'node_modules', '@tensorflow', 'tfjs-node'),
    binding: path.join(folder, 'tfjs_binding.node'),
    preload: path.join(folder, 'preload.node'),
  };
}

function fromNpm(packageName: string): TensorflowCopy | undefined {
  for (const from of [import.meta.url, path.join(process.cwd(), 'noop.js')]) {
    try {
      const folder = path.dirname(createRequire(from).resolve(`${packageName}/package.json`));
      return { packageName, source: `${packageName} from npm`, folder, binding: npmBinding(folder) };
    } catch {
      continue;
    }
  }
  return undefined;
}

/** Where the package's own download puts the binding: the highest Node-API version that this Node has. */
function npmBinding(folder: string): string {
  const newest = Number(process.versions['napi'] ?? 8);
  const candidates = Array.from({ length: newest }, (_, i) => newest - i).map((version) =>
    path.join(folder, 'lib', `napi-v${String(version)}`, 'tfjs_binding.node'),
  );
  return candidates.find((file) => existsSync(file)) ?? path.join(folder, 'lib', 'napi-v8', 'tfjs_binding.node');
}
