/** Converts half-precision numbers to float32, exactly: every F16 and BF16 value is a float32 value. */
export function widen(halves: Uint16Array, dtype: 'F16' | 'BF16'): Float32Array<ArrayBuffer> {
  const values = new Float32Array(halves.length);
  if (dtype === 'BF16') {
    const bits = new Uint32Array(values.buffer);
    for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] ?? 0) << 16;
  } else {
    for (let i = 0; i < halves.length; i++) values[i] = fromF16(halves[i] ?? 0);
  }
  return values;
}

/** IEEE 754 binary16: 1 sign bit, 5 exponent bits, 10 fraction bits. */
function fromF16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
