// x * Phi(x), the exact GELU, and its gradient.
#pragma once

#include "gelu_fit.h"
#include "kernels.h"
#include "rows.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

inline void gelu(int64_t size, const float* x, float* y) {
  parallel((size + W - 1) / W, W * 16, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * W, last = end * W < size ? end * W : size;
    each_vector(last - first, [&](int64_t j, int64_t n) {
      const Floats value = load_some(x + first + j, n);
      store_some(y + first + j, gelu_of(value), n);
    });
  });
}

inline void gelu_gradient(int64_t size, const float* dy, const float* x, float* dx) {
  parallel((size + W - 1) / W, W * 16, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * W, last = end * W < size ? end * W : size;
    each_vector(last - first, [&](int64_t j, int64_t n) {
      store_some(dx + first + j, load_some(dy + first + j, n) * gelu_slope(load_some(x + first + j, n)), n);
    });
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
