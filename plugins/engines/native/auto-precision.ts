/** How a variant of the kernels multiplies bfloat16 on this processor. */
export interface Bf16Products {
  /** AMX tiles, AVX-512 dot products of pairs (vdpbf16ps), or float32 instructions. */
  readonly bf16: 'tiles' | 'pairs' | 'floats';
  /** The processor's vendor from CPUID; empty on other architectures than x86. */
  readonly vendor: string;
}

/**
 * Returns the precision that `precision: auto` means: the one that trains faster. AMX tiles are faster in bfloat16. So
 * are dot products on AMD's processors, by 1.3 to 2 times per step (families 25 and 26). On Intel's they are not: on a
 * Xeon of model 207 without AMX, bfloat16 products take 1.65 times as long as float32.
 */
export function autoPrecision({ bf16, vendor }: Bf16Products): 'f32' | 'bf16' {
  if (bf16 === 'tiles') return 'bf16';
  return bf16 === 'pairs' && vendor === 'AuthenticAMD' ? 'bf16' : 'f32';
}
