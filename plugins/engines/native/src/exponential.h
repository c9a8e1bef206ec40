// e^x of float vectors: the common parts, and the form for arguments within float32's normal range.
#pragma once

#include "simd.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** 2^n for integers from -126 to 127. */
inline Floats power_of_two(Ints n) { return (Floats)((n + 127) << 23); }

/** Returns e^r - 1 - r for r from -0.35 to 0.35, where x = n log(2) + r. Source: Cephes' expf. */
inline Floats exp_parts(Floats x, Floats& n, Floats& r) {
  const float to_integer = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  n = (x * 1.44269504f + to_integer) - to_integer;
  r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r);
}

/** e^x to about 1 unit in the last place, for x from -87.3 to 88.3. */
inline Floats exp_within(Floats x) {
  Floats n, r;
  const Floats most = exp_parts(x, n, r);
  const Floats e = most + r + 1.0f;
#if defined(__AVX512F__)
  return (Floats)_mm512_scalef_ps((__m512)e, (__m512)n);
#else
  return e * power_of_two(__builtin_convertvector(n, Ints));
#endif
}

/** The same for any x; 1.2e-38 below -87.3. */
inline Floats exp_of(Floats x) { return exp_within(at_most(at_least(x, -87.3f), 88.3f)); }

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
