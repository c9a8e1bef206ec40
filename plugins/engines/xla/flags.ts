import type { Flags } from './pjrt/compiling.js';

/**
 * Returns XLA's flags for a platform. On GPUs, repeated programs give the same bits: operations whose sums depend on the
 * order of threads are excluded. Autotuning measures kernels; its choice is stored with the compiled program.
 */
export function flagsFor(platform: string): Flags {
  return isGpu(platform) ? { xla_gpu_exclude_nondeterministic_ops: true, xla_gpu_enable_triton_gemm: false } : {};
}

export function isGpu(platform: string): boolean {
  return ['cuda', 'rocm', 'gpu', 'sycl'].includes(platform);
}
