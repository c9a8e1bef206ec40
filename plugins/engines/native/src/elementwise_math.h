// Functions of float vectors over the whole range of float32, with infinities and NaN as in IEEE 754. Maximum errors in
// units in the last place, checked by a test: exp 1, expm1 2, log 1, log1p 3, sigmoid 3, tanh 2, erf 2, sin and cos 1.
#pragma once

#include <cmath>

#include "exponential.h"
#include "simd.h"

namespace espalier {
namespace ESPALIER_VARIANT {

inline Floats bits_if(Ints condition, Floats x) { return (Floats)(condition & (Ints)x); }
inline Floats one_if(Ints condition) { return bits_if(condition, splat(1.0f)); }
inline Floats magnitude_of(Floats x) { return (Floats)((Words)x & 0x7fffffffu); }
inline Floats with_sign_of(Floats x, Floats sign) {
  return (Floats)(((Words)x & 0x7fffffffu) | ((Words)sign & 0x80000000u));
}

/** e^x: infinite from 88.73 on, subnormal below -87.3, 0 below -104. */
inline Floats whole_exp(Floats x) {
  Floats n, r;
  const Floats most = exp_parts(at_most(at_least(x, -105.0f), 90.0f), n, r);
  const Floats e = most + r + 1.0f;
  // In two factors, each of which float32 can represent.
  const Ints power = __builtin_convertvector(n, Ints), half = power >> 1;
  return e * power_of_two(half) * power_of_two(power - half);
}

/** e^x - 1. */
inline Floats expm1_of(Floats x) {
  Floats n, r;
  const Floats most = exp_parts(at_most(at_least(x, -30.0f), 80.0f), n, r);
  const Floats scale = power_of_two(__builtin_convertvector(n, Ints));
  const Floats y = (most + r) * scale + (scale - 1.0f);
  const Floats result = x > 80.0f ? whole_exp(x) : y;
  return x == 0.0f ? x : result;
}

/** The natural logarithm. Source: Cephes' logf. */
inline Floats log_of(Floats x) {
  const Ints is_small = x < 1.17549435e-38f;
  const Floats scaled = is_small ? x * 8388608.0f : x;
  const Words bits = (Words)scaled;
  Ints exponent = (Ints)(bits >> 23) - 126;
  exponent = is_small ? exponent - 23 : exponent;
  Floats m = (Floats)((bits & 0x007fffffu) | 0x3f000000u);  // from 0.5 to 1
  const Ints is_low = m < 0.707106781186547524f;
  const Floats e = __builtin_convertvector(is_low ? exponent - 1 : exponent, Floats);
  m = (is_low ? m + m : m) - 1.0f;
  const Floats z = m * m;
  Floats p = splat(7.0376836292e-2f);
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  Floats y = p * m * z;
  y = y - e * 2.12194440e-4f - z * 0.5f;
  y = (m + y) + e * 0.693359375f;
  const Floats infinite = splat(__builtin_inff());
  y = x == infinite ? infinite : y;
  y = x == 0.0f ? -infinite : y;
  return x < 0.0f ? splat(__builtin_nanf("")) : (x != x ? x : y);
}

/** log(1 + x), from the logarithm of the rounded sum and the rounding error. Source: W. Kahan. */
inline Floats log1p_of(Floats x) {
  const Floats sum = x + 1.0f, rounded = sum - 1.0f;
  const Floats y = log_of(sum) * (x / rounded);
  const Floats result = sum == splat(__builtin_inff()) ? sum : y;
  return rounded == 0.0f ? x : result;
}

inline Floats sigmoid_of(Floats x) {
  const Floats e = whole_exp((Floats)((Words)x | 0x80000000u));
  return (x >= 0.0f ? splat(1.0f) : e) / (1.0f + e);
}

/** Source: Cephes' tanhf. */
inline Floats tanh_of(Floats x) {
  const Floats a = magnitude_of(x), z = x * x;
  Floats p = splat(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const Floats small = p * z * x + x;
  const Floats large = 1.0f - 2.0f / (whole_exp(a + a) + 1.0f);
  const Floats y = a < 0.625f ? small : with_sign_of(large, x);
  return x == 0.0f ? x : y;
}

/** Source: Cephes' erff and erfcf. */
inline Floats erf_of(Floats x) {
  const Floats a = magnitude_of(x), z = x * x;
  Floats p = splat(7.853861353153693e-5f);
  p = p * z - 8.010193625184903e-4f;
  p = p * z + 5.188327685732524e-3f;
  p = p * z - 2.685381193529856e-2f;
  p = p * z + 1.128358514861418e-1f;
  p = p * z - 3.761262582423300e-1f;
  p = p * z + 1.128379165726710e+0f;
  const Floats small = x * p;
  const Floats q = 1.0f / a, y = q * q;
  Floats near = splat(2.326819970068386e-2f);
  near = near * y - 1.387039388740657e-1f;
  near = near * y + 3.687424674597105e-1f;
  near = near * y - 5.824733027278666e-1f;
  near = near * y + 6.210004621745983e-1f;
  near = near * y - 4.944515323274145e-1f;
  near = near * y + 3.404879937665872e-1f;
  near = near * y - 2.741127028184656e-1f;
  near = near * y + 5.638259427386472e-1f;
  const Floats rest = whole_exp(-z) * q * near;
  // From 4 on the complement is below half a unit in the last place of 1.
  const Floats large = a > 4.0f ? splat(1.0f) : 1.0f - rest;
  const Floats result = a < 1.0f ? small : with_sign_of(large, x);
  return x != x ? x : result;
}

template <int Mode>  // 1: down, 2: up, 0: to the nearest, to even where two are
inline Floats rounded(Floats x) {
#if defined(__AVX512F__)
  return (Floats)_mm512_roundscale_ps((__m512)x, Mode | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return (Floats)_mm256_round_ps((__m256)x, Mode | _MM_FROUND_NO_EXC);
#else
  for (int i = 0; i < W; i++)
    x[i] = Mode == 1 ? __builtin_floorf(x[i]) : Mode == 2 ? __builtin_ceilf(x[i]) : __builtin_rintf(x[i]);
  return x;
#endif
}

/** The sine for Quarter 0, the cosine for 1, in double precision; |x| below 10^6. Source: fdlibm's kernels. */
template <int Quarter>
inline float circular(float x) {
  const double to_integer = 6755399441055744.0;  // 1.5 * 2^52
  const double n = (x * 6.36619772367581382433e-01 + to_integer) - to_integer;
  const double r = (x - n * 1.57079632673412561417e+00) - n * 6.07710050650619224932e-11;
  const double z = r * r;
  double s = 1.58969099521155010221e-10;
  s = s * z - 2.50507602534068634195e-08;
  s = s * z + 2.75573137070700676789e-06;
  s = s * z - 1.98412698298579493134e-04;
  s = s * z + 8.33333333332248946124e-03;
  s = s * z - 1.66666666666666324348e-01;
  s = r + r * z * s;
  double c = -1.13596475577881948265e-11;
  c = c * z + 2.08757232129817482790e-09;
  c = c * z - 2.75573143513906633035e-07;
  c = c * z + 2.48015872894767294178e-05;
  c = c * z - 1.38888888888741095749e-03;
  c = c * z + 4.16666666666666019037e-02;
  c = 1.0 - 0.5 * z + z * z * c;
  const int32_t quarter = static_cast<int32_t>(n) + Quarter;
  const double y = quarter & 1 ? c : s;
  return static_cast<float>(quarter & 2 ? -y : y);
}

/** As in JavaScript, 1 or -1 to an infinite power, and 1 to the power NaN, are NaN. */
inline float power_of(float base, float exponent) {
  if (exponent != exponent || (std::isinf(exponent) && (base == 1 || base == -1))) return __builtin_nanf("");
  return static_cast<float>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
