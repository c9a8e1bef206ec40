import { tf } from '../../../../core/index.js';
import { Attributes, KernelInputs } from '../../../ops/contract.js';
import { NativeBackend } from '../backend.js';
import type { NativeBinding } from '../binding.js';
import { attentionKernels } from './attention.js';
import { deferredKernels } from './deferred.js';
import { elementwiseKernels } from './elementwise.js';
import { indexedKernels } from './indexed.js';
import { joinKernels } from './joins.js';
import { linearKernels } from './linear.js';
import { moveKernels } from './moves.js';
import { optimizerKernels } from './optimizer.js';
import { productKernels } from './products.js';
import { reductionKernels } from './reductions.js';
import { rowKernels } from './rows.js';
import type { NativeKernel } from '../backend.js';

const kernels = new Map(
  [
    ...linearKernels,
    ...rowKernels,
    ...attentionKernels,
    ...elementwiseKernels,
    ...deferredKernels,
    ...optimizerKernels,
    ...moveKernels,
    ...joinKernels,
    ...reductionKernels,
    ...indexedKernels,
    ...productKernels,
  ].map((kernel) => [kernel.name, kernel]),
);

/** Returns the kernels that are in C++ for the types that models use. */
export function nativeKernels(): string[] {
  return [...kernels.keys()];
}

/**
 * Operations that `registerOps` composes of others that are in C++; the cpu backend's kernels would run entirely in
 * JavaScript.
 */
const COMPOSED = new Set(['Einsum']);

/** Registers the backend and its kernels, once: ours, and the cpu backend's for everything else. */
export function registerNativeBackend(name: string, binding: NativeBinding, bf16: boolean): void {
  if (tf.engine().registryFactory[name] !== undefined) return;
  const native = new NativeBackend(name, binding, bf16);
  tf.registerBackend(name, () => native);
  const cpuKernels = new Map(tf.getKernelsForBackend('cpu').map((kernel) => [kernel.kernelName, kernel.kernelFunc]));
  for (const kernelName of new Set([...cpuKernels.keys(), ...kernels.keys()])) {
    if (COMPOSED.has(kernelName)) continue;
    const kernelFunc = kernelFuncOf(kernelName, kernels.get(kernelName), cpuKernels.get(kernelName));
    native.register(kernelName, kernelFunc);
  }
}

function kernelFuncOf(name: string, ours: NativeKernel | undefined, cpu: tf.KernelFunc | undefined): tf.KernelFunc {
  return ({ inputs, attrs, backend }) => {
    const native = nativeBackend(backend);
    const [given, attributes] = [new KernelInputs(inputs), new Attributes(attrs ?? {})];
    const deferred = ours?.defer?.(given, attributes, native);
    if (deferred !== undefined) return deferred;
    // Before it allocates anything, so that each operation's recording stays separate.
    if (ours?.isDeferred !== true) native.computePending(given.all());
    const outputs = ours?.compute(given, attributes, native);
    if (ours !== undefined && outputs !== undefined) {
      if (ours.isDeferred !== true) native.recorder?.ran(ours, given, attributes, [outputs].flat());
      return outputs;
    }
    if (cpu === undefined) throw new Error(`${name} has no form for these inputs`);
    const results = native.javaScript.run(name, given.all(), () =>
      cpu({ inputs, ...(attrs === undefined ? {} : { attrs }), backend: native }),
    );
    for (const output of [results].flat()) native.protect(output);
    native.recorder?.ranOnCpu(given, [results].flat());
    return results;
  };
}

export function nativeBackend(backend: object): NativeBackend {
  if (backend instanceof NativeBackend) return backend;
  throw new Error('the native kernels were called with another backend');
}
