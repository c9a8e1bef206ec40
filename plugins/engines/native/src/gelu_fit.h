// GELU of vectors, x * Phi(x), and its derivative. Phi is the normal distribution function.
#pragma once

#include "simd.h"

namespace espalier {
namespace ESPALIER_VARIANT {

// Phi(x) and the slope are 1/2 and an odd function of x each: x P(x^2) / Q(x^2), with the least largest error up to
// `bound`, from where they are as good as constant. Fitted by Lawson's weights (Cody, "A survey of practical rational
// and polynomial approximation of functions", 1970, section 5) on both polynomials in Chebyshev form.

/** a[0] s^n + ... + a[n]. */
template <int Terms>
inline Floats polynomial(const float (&a)[Terms], Floats s) {
  Floats sum = splat(a[0]);
#pragma GCC unroll 8
  for (int i = 1; i < Terms; i++) sum = sum * s + a[i];
  return sum;
}

template <int P, int Q>
inline Floats half_and_odd(Floats x, float bound, const float (&p)[P], const float (&q)[Q]) {
  const Floats near = at_most(at_least(x, -bound), bound);
  const Floats square = near * near;
  return near * polynomial(p, square) * reciprocal_of(polynomial(q, square)) + 0.5f;
}

/** x Phi(x), Phi within 2.2e-7. */
inline Floats gelu_of(Floats x) {
  constexpr float p[] = {2.214533121e-08f, 6.356534082e-06f, 1.738507155e-04f,
                         4.707259220e-03f, 3.437610253e-02f, 3.989422216e-01f};
  constexpr float q[] = {1.180212693e-06f, 7.510193218e-05f, 1.912978016e-03f,
                         2.894008539e-02f, 2.528338236e-01f, 1.0f};
  return x * half_and_odd(x, 5.6f, p, q);
}

/** Phi(x) + x Phi'(x), within 2.6e-7. */
inline Floats gelu_slope(Floats x) {
  constexpr float p[] = {1.704648284e-08f, 9.225433620e-07f, 3.409191599e-05f, 2.027360012e-04f,
                         1.385733064e-02f, -2.237099305e-02f, 7.978845312e-01f};
  constexpr float q[] = {1.314774750e-09f, 3.389825708e-07f, 1.030779988e-05f, 2.453253768e-04f,
                         3.971522017e-03f, 4.413368991e-02f, 3.052950798e-01f, 1.0f};
  return half_and_odd(x, 6.0f, p, q);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
