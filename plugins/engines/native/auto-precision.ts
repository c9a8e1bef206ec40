/** How a variant of the kernels multiplies bfloat16 on this processor. */
export interface Bf16Products {
  /** AMX's tiles; AVX-512's dot products of pairs (vdpbf16ps); or float32's instructions. */
  readonly bf16: 'tiles' | 'pairs' | 'floats';
  /** Who made the processor, as CPUID says it; empty on others than x86. */
  readonly vendor: string;
}

/**
 * What `precision: auto` means: the faster one in training. AMX's tiles are faster in bfloat16. So are the dot products of
 * AMD's processors, by 1.3 to 2 times in a step (families 25 and 26). Intel's are not: on a Xeon of model 207 without AMX
 * products of bfloat16 take 1.65 times as long as those of float32.
 */
export function autoPrecision({ bf16, vendor }: Bf16Products): 'f32' | 'bf16' {
  if (bf16 === 'tiles') return 'bf16';
  return bf16 === 'pairs' && vendor === 'AuthenticAMD' ? 'bf16' : 'f32';
}
