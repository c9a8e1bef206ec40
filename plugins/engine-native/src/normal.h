// The normal distribution and the GELU of a vector.
#pragma once

#include "simd.h"

namespace espalier {
namespace ESPALIER_VARIANT {

struct Normal {
  Floats distribution, density;
};

/** Within 8e-8. Source: Abramowitz and Stegun, formula 7.1.26, for the error function of x / sqrt(2). */
inline Normal normal_at(Floats x) {
  const Floats magnitude = (Floats)((Words)x & 0x7fffffffu);
  const Floats bell = exp_of(x * x * -0.5f);
  const Floats t = reciprocal_of(magnitude * 0.23164189f + 1.0f);
  Floats p = splat(0.5f * 1.061405429f);
  p = p * t + 0.5f * -1.453152027f;
  p = p * t + 0.5f * 1.421413741f;
  p = p * t + 0.5f * -0.284496736f;
  p = p * t + 0.5f * 0.254829592f;
  const Floats beyond = p * t * bell;  // 1 - Phi(|x|)
  return {x < 0.0f ? beyond : 1.0f - beyond, bell * 0.398942280f};
}

/** Without the exponential that the slope needs too. Within 2e-7. Source: the rational erf of Eigen and XLA. */
inline Floats gelu_of(Floats x) {
  const Floats z = at_most(at_least(x * 0.70710678f, -4.0f), 4.0f);
  const Floats square = z * z;
  Floats p = splat(-2.72614225801306e-10f);
  p = p * square + 2.77068142495902e-08f;
  p = p * square + -2.10102402082508e-06f;
  p = p * square + -5.69250639462346e-05f;
  p = p * square + -7.34990630326855e-04f;
  p = p * square + -2.95459980854025e-03f;
  p = p * square + -1.60960333262415e-02f;
  Floats q = splat(-1.45660718464996e-05f);
  q = q * square + -2.13374055278905e-04f;
  q = q * square + -1.68282697438203e-03f;
  q = q * square + -7.37332916720468e-03f;
  q = q * square + -1.42647390514189e-02f;
  return x * (z * p * reciprocal_of(q) * 0.5f + 0.5f);
}

inline Floats gelu_slope(Floats x) {
  const Normal normal = normal_at(x);
  return normal.distribution + x * normal.density;
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
