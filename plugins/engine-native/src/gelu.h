// x * Phi(x), the exact GELU, and its gradient.
#pragma once

#include "kernels.h"
#include "rows.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

struct Normal {
  Floats distribution, density;
};

/** Within 8e-8. Source: Abramowitz and Stegun, formula 7.1.26, for the error function of x / sqrt(2). */
inline Normal normal_at(Floats x) {
  const Floats magnitude = (Floats)((Words)x & 0x7fffffffu);
  const Floats bell = exp_of(x * x * -0.5f);
  const Floats t = 1.0f / (magnitude * 0.23164189f + 1.0f);
  Floats p = splat(0.5f * 1.061405429f);
  p = p * t + 0.5f * -1.453152027f;
  p = p * t + 0.5f * 1.421413741f;
  p = p * t + 0.5f * -0.284496736f;
  p = p * t + 0.5f * 0.254829592f;
  const Floats beyond = p * t * bell;  // 1 - Phi(|x|)
  return {x < 0.0f ? beyond : 1.0f - beyond, bell * 0.398942280f};
}

inline void gelu(int64_t size, const float* x, float* y) {
  parallel((size + W - 1) / W, W * 16, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * W, last = end * W < size ? end * W : size;
    each_vector(last - first, [&](int64_t j, int64_t n) {
      const Floats value = load_some(x + first + j, n);
      store_some(y + first + j, value * normal_at(value).distribution, n);
    });
  });
}

inline void gelu_gradient(int64_t size, const float* dy, const float* x, float* dx) {
  parallel((size + W - 1) / W, W * 16, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * W, last = end * W < size ? end * W : size;
    each_vector(last - first, [&](int64_t j, int64_t n) {
      const Floats value = load_some(x + first + j, n);
      const Normal normal = normal_at(value);
      store_some(dx + first + j, load_some(dy + first + j, n) * (normal.distribution + value * normal.density), n);
    });
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
