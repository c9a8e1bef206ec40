import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { installFolder, isInstalled, type Variant } from './cache.js';

const CPU_PACKAGE = '@tensorflow/tfjs-node';
const GPU_PACKAGE = `${CPU_PACKAGE}-gpu`;

/** A copy of tfjs-node with its compiled binding, loadable or not. */
export interface TensorflowCopy {
  /** The npm package that its JavaScript belongs to. */
  readonly packageName: string;
  /** Where it comes from, for messages. */
  readonly source: string;
  /** Folder of tfjs-node's JavaScript. */
  readonly folder: string;
  /** The compiled binding. */
  readonly binding: string;
  /** Loaded before the binding; keeps TensorFlow's output while loading off the terminal. */
  readonly preload?: string;
}

/**
 * Returns every available copy, best first: GPU builds first, then npm packages next to espalier or in the working
 * folder.
 */
export function findCopies(): TensorflowCopy[] {
  const found = [fromNpm(GPU_PACKAGE), installedCopy('gpu'), fromNpm(CPU_PACKAGE), installedCopy('cpu')];
  return found.filter((copy) => copy !== undefined);
}

/** Returns the copy that `espalier engine install tensorflow` made, if it exists. */
export function installedCopy(variant: Variant): TensorflowCopy | undefined {
  const folder = installFolder(variant);
  return isInstalled(folder) ? copyIn(folder, variant) : undefined;
}

/** Returns whether it is a GPU build. */
export function isForGpu(copy: TensorflowCopy): boolean {
  return copy.packageName === GPU_PACKAGE;
}

/** Returns the copy in a folder with the installer's layout. */
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

/** Returns where the package's own download puts the binding: by the highest Node-API version of this Node. */
function npmBinding(folder: string): string {
  const newest = Number(process.versions['napi'] ?? 8);
  const candidates = Array.from({ length: newest }, (_, i) => newest - i).map((version) =>
    path.join(folder, 'lib', `napi-v${String(version)}`, 'tfjs_binding.node'),
  );
  return candidates.find((file) => existsSync(file)) ?? path.join(folder, 'lib', 'napi-v8', 'tfjs_binding.node');
}
