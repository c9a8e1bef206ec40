// Sums of whole tensors and over the outer axis, and rows of tables.
#pragma once

#include "kernels.h"
#include "rows.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

inline void add_scaled(int64_t size, const float* a, const float* b, float scale, float* y) {
  parallel(size, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) y[i] = a[i] + scale * b[i];
  });
}

inline void add(int64_t outer, int64_t inner, const float* a, const float* b, float* y) {
  if (outer == 1) return add_scaled(inner, a, b, 1.0f, y);
  parallel(outer, inner, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      for (int64_t j = 0; j < inner; j++) y[i * inner + j] = a[i * inner + j] + b[j];
  });
}

inline void scale(int64_t size, const float* x, float factor, float* y) {
  parallel(size, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) y[i] = factor * x[i];
  });
}

inline void sum_outer(int64_t outer, int64_t inner, const float* x, float* y) {
  parallel(inner, outer, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; j++) y[j] = 0;
    for (int64_t i = 0; i < outer; i++)
      for (int64_t j = begin; j < end; j++) y[j] += x[i * inner + j];
  });
}

inline void embedding(int64_t count, int64_t width, const int32_t* ids, const float* table, float* y) {
  parallel(count, width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      std::memcpy(y + i * width, table + ids[i] * width, sizeof(float) * width);
  });
}

/** Each thread adds up its own columns over all rows, in order. */
inline void embedding_gradient(int64_t count, int64_t width, int64_t rows, const int32_t* ids, const float* dy,
                               float* gradient) {
  parallel(rows, width, [&](int64_t begin, int64_t end) {
    std::memset(gradient + begin * width, 0, sizeof(float) * (end - begin) * width);
  });
  parallel(width, count, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < count; i++) {
      float* to = gradient + ids[i] * width;
      const float* from = dy + i * width;
      for (int64_t j = begin; j < end; j++) to[j] += from[j];
    }
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
