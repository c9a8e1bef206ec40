import type { Flags } from './pjrt/compiling.js';

/**
 * How XLA compiles for a platform. On GPUs, repeated programs give the same bits: operations whose sums depend on the
 * order of threads are left out. The choice among kernels is measured, so it is that of the compiled program.
 */
export function flagsFor(platform: string): Flags {
  return isGpu(platform) ? { xla_gpu_exclude_nondeterministic_ops: true, xla_gpu_enable_triton_gemm: false } : {};
}

export function isGpu(platform: string): boolean {
  return ['cuda', 'rocm', 'gpu', 'sycl'].includes(platform);
}
