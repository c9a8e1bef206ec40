/** The smallest number that rounds to infinity in half precision. */
export const HALF_OVERFLOW = 65520;

const SMALLEST_NORMAL = 0x38800000;
const INFINITY_FROM = 0x47800000;
const NAN_ABOVE = 0x7f800000;
/** Adding and subtracting it rounds a small positive number to an integer, ties to even. */
const ROUNDING = 2 ** 52;
/** Half precision's subnormal numbers are multiples of 2^-24. */
const SUBNORMALS_PER_ONE = 2 ** 24;

/** Returns float32 numbers as the bits of IEEE half precision, rounded to nearest, ties to even. */
export function toHalf(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const whole = bits[i] ?? 0;
    const magnitude = whole & 0x7fffffff;
    halves[i] = ((whole >>> 16) & 0x8000) | magnitudeOf(magnitude, values[i] ?? 0);
  }
  return halves;
}

function magnitudeOf(bits: number, value: number): number {
  if (bits > NAN_ABOVE) return 0x7e00;
  if (bits >= INFINITY_FROM) return 0x7c00;
  if (bits < SMALLEST_NORMAL) return Math.abs(value) * SUBNORMALS_PER_ONE + ROUNDING - ROUNDING;
  // The exponent's bias shrinks by 112 and the mantissa by 13 bits; a carry moves into the exponent, up to infinity.
  return (bits - (112 << 23) + 0xfff + ((bits >>> 13) & 1)) >>> 13;
}
