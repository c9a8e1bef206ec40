import wasm = require('@tensorflow/tfjs-backend-wasm');
import { tf } from '../../../../core/index.js';
import { Attributes, KernelInputs } from '../../../ops/contract.js';
import { activationKernels } from './activation.js';
import { attentionKernels } from './attention.js';
import { crossEntropyKernels } from './cross-entropy.js';
import { embeddingKernels } from './embedding.js';
import { backendOf, heapOf } from './heap.js';
import { layerNormKernels } from './layer-norm.js';
import { linearKernels } from './linear.js';
import { queryKeyNormKernels } from './query-key-norm.js';
import { rmsNormKernels } from './rms-norm.js';
import { rotaryKernels } from './rotary.js';
import { optimizerKernels } from './optimizer.js';

const kernels = [
  ...linearKernels,
  ...layerNormKernels,
  ...rmsNormKernels,
  ...activationKernels,
  ...attentionKernels,
  ...rotaryKernels,
  ...queryKeyNormKernels,
  ...embeddingKernels,
  ...crossEntropyKernels,
  ...optimizerKernels,
];

export const { setThreadsCount } = wasm;

let registered = false;

/**
 * Registers this engine's own kernels for the wasm backend, once. Each makes one pass over memory, where the composite
 * makes up to ten.
 */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  for (const { name, compute } of kernels) {
    tf.registerKernel({
      kernelName: name,
      backendName: 'wasm',
      kernelFunc: ({ inputs, attrs, backend }) =>
        compute(new KernelInputs(inputs), new Attributes(attrs ?? {}), heapOf(backend)),
    });
  }
  shareClones();
}

/** The backend's own clone copies; those of other backends share memory, as its reshape does. */
function shareClones(): void {
  tf.unregisterKernel('Identity', 'wasm');
  tf.registerKernel({
    kernelName: 'Identity',
    backendName: 'wasm',
    kernelFunc: ({ inputs, backend }) => {
      const { x } = inputs;
      if (x === undefined) throw new Error('the kernel needs the input x');
      const { dataId, dtype, shape } = x;
      backendOf(backend).incRef(dataId);
      return { dataId, dtype, shape };
    },
  });
}
