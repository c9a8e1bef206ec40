import { tf } from '../../../core/index.js';

/** Called at the begin and end of every kernel, with the shapes of its inputs by name, such as `[12, 64]`. */
export interface KernelWatcher {
  begin(kernel: string, shapes: Readonly<Record<string, string>>): void;
  end(kernel: string): void;
}

/** Wraps every kernel of a tfjs backend, including ours, with a watcher. @returns a function that unwraps them */
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

/** Inputs may be missing, although tfjs types them as present. */
function shapesOf(inputs: Readonly<Record<string, tf.TensorInfo | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, tensor]) =>
      tensor === undefined ? [] : [[name, `[${tensor.shape.join(', ')}]`] as const],
    ),
  );
}
