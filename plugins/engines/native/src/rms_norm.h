// RMS norm over the last axis, one pass over memory in each direction.
#pragma once

#include <cmath>
#include <cstring>

#include "kernels.h"
#include "rows.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** 1 / root mean square. */
inline float inverse_rms(const float* x, int64_t columns, double epsilon) {
  const float squares = sum_over(columns, [&](int64_t j, int64_t n) {
    const Floats value = load_some(x + j, n);
    return value * value;
  });
  return 1.0f / std::sqrt(squares / static_cast<float>(columns) + static_cast<float>(epsilon));
}

inline void rms_norm_row(int64_t columns, const float* x, const float* weight, double epsilon, float* y) {
  const float inverse = inverse_rms(x, columns, epsilon);
  each_vector(columns, [&](int64_t j, int64_t n) {
    store_some(y + j, load_some(x + j, n) * inverse * load_some(weight + j, n), n);
  });
}

/** @param sums [columns]; the row's contribution to the weight's gradient is added */
inline void rms_norm_row_gradient(int64_t columns, const float* dy, const float* x, const float* weight,
                                  double epsilon, float* dx, float* sums) {
  const float inverse = inverse_rms(x, columns, epsilon);
  const float along = sum_over(columns, [&](int64_t j, int64_t n) {
    const Floats along_here = load_some(dy + j, n) * (load_some(x + j, n) * inverse);
    store_some(sums + j, load_some(sums + j, n) + along_here, n);
    return along_here * load_some(weight + j, n);
  });
  const float share = along / static_cast<float>(columns);
  each_vector(columns, [&](int64_t j, int64_t n) {
    const Floats scaled = load_some(dy + j, n) * load_some(weight + j, n);
    const Floats normalized = load_some(x + j, n) * inverse;
    store_some(dx + j, (scaled - normalized * share) * inverse, n);
  });
}

/**
 * Calls body(row, sums) for each row, and adds up the sums in `total` [columns]: per group of rows, then over groups in
 * order, so that the result is the same for any number of threads, as in layer norm.
 */
template <class Body>
inline void with_sums_of_rows(int64_t rows, int64_t columns, int64_t work_each, float* total, Body&& body) {
  constexpr int64_t group_rows = 32;
  static thread_local Scratch scratch;
  const int64_t groups = (rows + group_rows - 1) / group_rows;
  float* partial = scratch.get<float>(groups * columns);
  parallel(groups, group_rows * work_each, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; group++) {
      float* sums = partial + group * columns;
      std::memset(sums, 0, sizeof(float) * columns);
      const int64_t last = (group + 1) * group_rows < rows ? (group + 1) * group_rows : rows;
      for (int64_t i = group * group_rows; i < last; i++) body(i, sums);
    }
  });
  std::memset(total, 0, sizeof(float) * columns);
  for (int64_t group = 0; group < groups; group++)
    for (int64_t j = 0; j < columns; j++) total[j] += partial[group * columns + j];
}

inline void rms_norm(int64_t rows, int64_t columns, const float* x, const float* weight, double epsilon, float* y) {
  parallel(rows, columns * 2, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) rms_norm_row(columns, x + i * columns, weight, epsilon, y + i * columns);
  });
}

inline void rms_norm_gradient(int64_t rows, int64_t columns, const float* dy, const float* x, const float* weight,
                              double epsilon, float* dx, float* dweight) {
  with_sums_of_rows(rows, columns, columns * 4, dweight, [&](int64_t i, float* sums) {
    rms_norm_row_gradient(columns, dy + i * columns, x + i * columns, weight, epsilon, dx + i * columns, sums);
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
