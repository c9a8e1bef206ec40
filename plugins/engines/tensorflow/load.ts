import { createRequire, Module } from 'node:module';
import path from 'node:path';
import util from 'node:util';
import { EspalierError, tf } from '../../../core/index.js';
import { recording, type Binding, type NodeBackend, type RecordingBackend } from './backend.js';
import type { TensorflowCopy } from './copies.js';

const BACKEND = 'tensorflow';
const PRIORITY = 3;

/** Settings that the library reads when it loads. */
export interface Manner {
  readonly threads: number;
  /** For operands of matrix products, on a CPU that multiplies bfloat16. */
  readonly precision: 'f32' | 'bf16';
}

/** TensorFlow as loaded in this process. */
export interface LoadedTensorflow {
  readonly precision: Manner['precision'];
  readonly version: string;
  readonly gpu: boolean;
  readonly source: string;
  readonly backend: RecordingBackend;
}

interface BackendModule {
  readonly NodeJSKernelBackend: new (binding: Binding, packageName: string) => NodeBackend;
}

/** The copy loaded in this process; it stays until the process ends. */
let loaded: LoadedTensorflow | undefined;

/**
 * Loads the copy, registers its kernels with espalier's tfjs-core, and makes it current. Later calls only make it
 * current: TensorFlow fixes its threads when it loads.
 * @throws EspalierError if this process has loaded it in another precision
 */
export async function loadBackend(copy: TensorflowCopy, manner: Manner): Promise<LoadedTensorflow> {
  loaded ??= load(copy, manner);
  if (loaded.precision !== manner.precision) {
    throw new EspalierError(
      'ESP_ENGINE',
      `TensorFlow computes in ${loaded.precision} in this process, from its first run on: start another process for ${manner.precision}`,
    );
  }
  if (!(await tf.setBackend(BACKEND))) throw new EspalierError('ESP_ENGINE', 'TensorFlow’s backend does not start');
  return loaded;
}

function load(copy: TensorflowCopy, { threads, precision }: Manner): LoadedTensorflow {
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  process.env['TF_NUM_INTRAOP_THREADS'] ??= String(threads);
  // For oneDNN, which multiplies matrices for TensorFlow on a CPU.
  process.env['ONEDNN_DEFAULT_FPMATH_MODE'] = precision === 'bf16' ? 'BF16' : 'STRICT';
  // On a GPU: multiply full float32 numbers instead of TF32, and sum in a fixed order.
  process.env['NVIDIA_TF32_OVERRIDE'] ??= '0';
  process.env['TF_DETERMINISTIC_OPS'] ??= '1';
  // Allocate GPU memory as needed, not all of it, so that `sample` can run next to a training run.
  process.env['TF_FORCE_GPU_ALLOW_GROWTH'] ??= 'true';
  const require = createRequire(path.join(copy.folder, 'package.json'));
  if (copy.preload !== undefined && process.env['TF_CPP_MIN_LOG_LEVEL'] !== '0') require(copy.preload);
  const binding = checked(require(copy.binding), isBinding, copy.binding);
  if (precision === 'bf16' && binding.isUsingGpuDevice()) {
    throw new EspalierError('ESP_ENGINE', 'precision bf16 is for TensorFlow on a CPU: set precision: f32 on this GPU');
  }

  restoreIsNullOrUndefined();
  const { NodeJSKernelBackend } = withOurTfjs(require, () => {
    require('./dist/register_all_kernels.js');
    return checked(require('./dist/nodejs_kernel_backend.js'), isBackendModule, copy.folder);
  });
  if (tf.getKernelsForBackend(BACKEND).length === 0) {
    throw new EspalierError(
      'ESP_ENGINE',
      `another part of this process loaded ${copy.packageName} with a tfjs-core of its own: two copies cannot share tensors`,
    );
  }
  const backend = new (recording(NodeJSKernelBackend))(binding, copy.packageName);
  tf.registerBackend(BACKEND, () => backend, PRIORITY);
  return { precision, version: binding.TF_Version, gpu: binding.isUsingGpuDevice(), source: copy.source, backend };
}

/**
 * Redirects `@tensorflow/tfjs` and `@tensorflow/tfjs-core` to our copy of tfjs-core while tfjs-node loads: kernels
 * register with the copy that they import, and a second one would know neither our tensors nor our backends.
 */
function withOurTfjs<T>(require: NodeJS.Require, body: () => T): T {
  const files = ['@tensorflow/tfjs', '@tensorflow/tfjs-core'].map((name) => require.resolve(name));
  const before = files.map((file) => require.cache[file]);
  const ours: unknown = createRequire(import.meta.url)('@tensorflow/tfjs-core');
  for (const file of files) {
    const standIn = new Module(file);
    standIn.exports = ours;
    standIn.loaded = true;
    require.cache[file] = standIn;
  }
  try {
    return body();
  } finally {
    files.forEach((file, i) => {
      require.cache[file] = before[i];
      if (before[i] === undefined) Reflect.deleteProperty(require.cache, file);
    });
  }
}

/** tfjs-node 4.22 calls a function of node:util that Node 22 deprecates and Node 23 lacks. */
function restoreIsNullOrUndefined(): void {
  Object.assign(util, { isNullOrUndefined: (value: unknown) => value === null || value === undefined });
}

function checked<T>(module: unknown, is: (module: unknown) => module is T, file: string): T {
  if (is(module)) return module;
  throw new EspalierError('ESP_ENGINE', `${file} is not of tfjs-node 4.22`);
}

function isBinding(module: unknown): module is Binding {
  return has(module, 'TF_Version', 'string') && has(module, 'isUsingGpuDevice', 'function');
}

function isBackendModule(module: unknown): module is BackendModule {
  return has(module, 'NodeJSKernelBackend', 'function');
}

function has(value: unknown, key: string, type: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, key) === type;
}
