import type { TensorInfo } from '@tensorflow/tfjs-core';

/** Runs the cpu backend's kernels, for calls that the addon does not serve. */
export class JavaScriptKernels {
  /** Milliseconds by kernel name; set while someone measures. */
  times: Map<string, number> | undefined;

  run<T extends TensorInfo | TensorInfo[]>(kernelName: string, inputs: readonly TensorInfo[], compute: () => T): T {
    if (this.times === undefined) return compute();
    const began = performance.now();
    const outputs = compute();
    const given = new Set<object>(inputs.map(({ dataId }) => dataId));
    // A kernel that only reshapes its input takes no noticeable time.
    const isWork = [outputs].flat().some(({ dataId }) => !given.has(dataId));
    if (isWork) this.times.set(kernelName, (this.times.get(kernelName) ?? 0) + performance.now() - began);
    return outputs;
  }
}
