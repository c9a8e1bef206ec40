// Rotary positions: queries and keys turned by their position, values copied.
#pragma once

#include <cstring>

#include "rows.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

inline void rotary(int64_t rows, int64_t time, int64_t heads, int64_t part, const float* cos, const float* sin,
                   const float* qkv, float* y) {
  const int64_t width = heads * part, half = part / 2;
  parallel(rows, 3 * width, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const float *c = cos + row % time * half, *s = sin + row % time * half;
      // Queries and keys stand side by side, so heads of both are one list.
      for (int64_t head = 0; head < 2 * heads; head++) {
        const float* from = qkv + row * 3 * width + head * part;
        float* to = y + row * 3 * width + head * part;
        each_vector(half, [&](int64_t j, int64_t n) {
          const Floats real = load_some(from + j, n), imaginary = load_some(from + half + j, n);
          const Floats cosine = load_some(c + j, n), sine = load_some(s + j, n);
          store_some(to + j, real * cosine - imaginary * sine, n);
          store_some(to + half + j, imaginary * cosine + real * sine, n);
        });
      }
      const int64_t values = row * 3 * width + 2 * width;
      if (y != qkv) std::memcpy(y + values, qkv + values, sizeof(float) * width);
    }
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
