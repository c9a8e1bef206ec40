import { tf } from '../../../core/index.js';

/** Told of every kernel that is called, with the shapes of its inputs by name, such as `[12, 64]`. */
export interface KernelWatcher {
  begin(kernel: string, shapes: Readonly<Record<string, string>>): void;
  end(kernel: string): void;
}

/** Puts a watcher around every kernel of a tfjs backend, ours included; returns what takes it away again. */
export function watchKernels(backendName: string, watcher: KernelWatcher): () => void {
  const kernels = tf.getKernelsForBackend(backendName);
  for (const kernel of kernels) {
    const { kernelName, kernelFunc } = kernel;
    replace({
      ...kernel,
      kernelFunc: (call) => {
        watcher.begin(kernelName, shapesOf(call.inputs));
        try {
          return kernelFunc(call);
        } finally {
          watcher.end(kernelName);
        }
      },
    });
  }
  return () => {
    kernels.forEach(replace);
  };
}

function replace(kernel: tf.KernelConfig): void {
  tf.unregisterKernel(kernel.kernelName, kernel.backendName);
  tf.registerKernel(kernel);
}

/** An input may be missing: tfjs types it as always there. */
function shapesOf(inputs: Readonly<Record<string, tf.TensorInfo | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, tensor]) =>
      tensor === undefined ? [] : [[name, `[${tensor.shape.join(', ')}]`] as const],
    ),
  );
}
