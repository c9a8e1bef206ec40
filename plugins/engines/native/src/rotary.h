// Rotary positions: rotates queries and keys by their position, and copies values.
#pragma once

#include <cstring>

#include "kernels.h"
#include "rows.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

inline void rotary(int64_t rows, int64_t time, Heads heads, const float* cos, const float* sin, const float* qkv,
                   float* y) {
  const int64_t width = heads.width(), part = heads.part, half = part / 2;
  const int64_t turned = heads.queries + heads.keys;
  parallel(rows, width, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const float *c = cos + row % time * half, *s = sin + row % time * half;
      // Query and key heads are side by side, so one loop covers both.
      for (int64_t head = 0; head < turned; head++) {
        const float* from = qkv + row * width + head * part;
        float* to = y + row * width + head * part;
        each_vector(half, [&](int64_t j, int64_t n) {
          const Floats real = load_some(from + j, n), imaginary = load_some(from + half + j, n);
          const Floats cosine = load_some(c + j, n), sine = load_some(s + j, n);
          store_some(to + j, real * cosine - imaginary * sine, n);
          store_some(to + half + j, imaginary * cosine + real * sine, n);
        });
      }
      const int64_t values = row * width + turned * part;
      if (y != qkv) std::memcpy(y + values, qkv + values, sizeof(float) * heads.keys * part);
    }
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
