import path from 'node:path';
import { UsageError } from '../../../../core/index.js';
import type { Wheel } from '../../install/wheel.js';
import { cacheFolder } from '../../peak/cache-folder.js';

/** Kinds of devices with a plugin. */
export const kindNames = ['cuda13', 'cuda12', 'rocm', 'tpu'] as const;
export type KindName = (typeof kindNames)[number];

/** What to install for a kind of device. */
export interface Kind {
  readonly wheels: readonly Wheel[];
  /** The plugin's library, relative to the folder. */
  readonly library: string;
  /** Disk space in bytes, including the largest wheel while it is unpacked. */
  readonly bytes: number;
  /** Oldest NVIDIA driver that works. */
  readonly oldestDriver?: number;
}

const GIGABYTE = 1e9;

/**
 * Kind, wheel, SHA-256 and what is extracted. Versions that work together. XLA's compiler needs ptxas and libdevice in
 * addition to the libraries it calls; NCCL is for several GPUs.
 */
const WHEELS = `
  cuda13 jax-cuda13-pjrt==0.12.0.1 5899bb6177eda86ea532afb9a26794f2bdd04966f6a01f9028266b16c2b6cf90 jax_plugins/
  cuda13 nvidia-cuda-nvcc==13.5.37 f5c4f7ead5d964fb4af42bbf1e6d3ec3c1e6e9d83b53749f691d387e7fcaa3a7 nvidia/cu13/bin/
  cuda13 nvidia-nvvm==13.5.37 c41bfa362e407405163f103c2229f0765f8cc2ed7d148b754dc77f228bf7e070 nvidia/cu13/nvvm/libdevice/
  cuda13 nvidia-cuda-runtime==13.5.37 df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d nvidia/
  cuda13 nvidia-cuda-nvrtc==13.5.37 86b4d68058807988b7d9af5b44917a0601e9c337f35ccd657bfb3c759ff8d8bc nvidia/
  cuda13 nvidia-cublas==13.10.0.20 dcc6d63884c53d07e267ce7e6feac17b2538cebaafec5db865736c3e28e4dc84 nvidia/
  cuda13 nvidia-cudnn-cu13==9.28.1.4 a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec nvidia/
  cuda13 nvidia-nccl-cu13==2.32.3 1459723080ac889d73a26edfa3e04383a7928ab31ac8f0ec43b3ea9548b04ff3 nvidia/nccl/lib/
  cuda12 jax-cuda12-pjrt==0.12.0.1 5ec28e06198d094031c37590b4ea753ae8cde4879ab4b60baf40f0dffb673286 jax_plugins/
  cuda12 nvidia-cuda-nvcc-cu12==12.9.86 5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0 nvidia/cuda_nvcc/bin/ nvidia/cuda_nvcc/nvvm/libdevice/
  cuda12 nvidia-cuda-runtime-cu12==12.9.79 25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3 nvidia/
  cuda12 nvidia-cuda-nvrtc-cu12==12.9.86 210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4 nvidia/
  cuda12 nvidia-cublas-cu12==12.9.3.13 d7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72 nvidia/
  cuda12 nvidia-nccl-cu12==2.32.3 bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c nvidia/nccl/lib/
  cuda12 nvidia-cudnn-cu12==9.28.0.42 9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375 nvidia/
  rocm jax-rocm7-pjrt==0.12.0 4551d0714523355f2946ca1958c3f584e95661e467a641d36b726f718a1c7934 jax_plugins/
  tpu libtpu==0.0.52 f76ab1f4d697c346371c50058796f6baa93317b89be8cf8a1012715a2655120d libtpu/
`;

export const kinds: Readonly<Record<KindName, Kind>> = {
  cuda13: kind('cuda13', 'jax_plugins/xla_cuda13/xla_cuda_plugin.so', 4, 580),
  cuda12: kind('cuda12', 'jax_plugins/xla_cuda12/xla_cuda_plugin.so', 4, 525),
  rocm: kind('rocm', 'jax_plugins/xla_rocm7/xla_rocm_plugin.so', 1.5),
  tpu: kind('tpu', 'libtpu/libtpu.so', 1.5),
};

function kind(name: KindName, library: string, gigabytes: number, oldestDriver?: number): Kind {
  const wheels = WHEELS.split('\n').flatMap((line) => {
    const [of, spec = '', sha256 = '', ...taken] = line.trim().split(' ');
    return of === name ? [{ spec, sha256, taken }] : [];
  });
  return { wheels, library, bytes: gigabytes * GIGABYTE, ...(oldestDriver === undefined ? {} : { oldestDriver }) };
}

/** Returns the folder where `espalier engine install xla` installs the plugin for a kind of device. */
export function installFolder(kind: KindName): string {
  return path.join(cacheFolder(), `xla-${kind}`);
}

/** @throws UsageError for an unknown name */
export function kindNamed(name: string): KindName {
  const found = kindNames.find((kind) => kind === name);
  if (found !== undefined) return found;
  throw new UsageError('ESP_USAGE', `--device ${name}: choose from ${kindNames.join(', ')}`);
}
