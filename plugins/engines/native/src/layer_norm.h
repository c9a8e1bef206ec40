// Layer norm over the last axis, one pass over memory in each direction.
#pragma once

#include <cmath>

#include "kernels.h"
#include "rows.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

struct RowMoments {
  float mean, inverse_deviation;
};

inline RowMoments moments_of(const float* x, int64_t columns, double epsilon) {
  const float share = 1.0f / static_cast<float>(columns);
  const float mean = sum_over(columns, [&](int64_t j, int64_t n) { return load_some(x + j, n); }) * share;
  const float squares = sum_over(columns, [&](int64_t j, int64_t n) {
    const Floats centred = load_some(x + j, n) - mean;
    return centred * centred;
  });
  return {mean, 1.0f / std::sqrt(squares * share + static_cast<float>(epsilon))};
}

inline void layer_norm(int64_t rows, int64_t columns, const float* x, const float* weight, const float* bias,
                       double epsilon, float* y) {
  parallel(rows, columns * 3, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const float* from = x + i * columns;
      const RowMoments row = moments_of(from, columns, epsilon);
      each_vector(columns, [&](int64_t j, int64_t n) {
        Floats value = (load_some(from + j, n) - row.mean) * row.inverse_deviation * load_some(weight + j, n);
        if (bias != nullptr) value += load_some(bias + j, n);
        store_some(y + i * columns + j, value, n);
      });
    }
  });
}

inline void layer_norm_gradient(int64_t rows, int64_t columns, const float* dy, const float* x, const float* weight,
                                double epsilon, float* dx, float* dweight, float* dbias) {
  // Gradients of weight and bias are summed per group of rows, then over groups in order: the same for any number of
  // threads.
  constexpr int64_t group_rows = 32;
  static thread_local Scratch scratch;
  const int64_t groups = (rows + group_rows - 1) / group_rows;
  float* partial = scratch.get<float>(groups * 2 * columns);
  const float share = 1.0f / static_cast<float>(columns);

  parallel(groups, group_rows * columns * 6, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; group++) {
      float* weight_sums = partial + group * 2 * columns;
      float* bias_sums = weight_sums + columns;
      std::memset(weight_sums, 0, sizeof(float) * 2 * columns);
      const int64_t last = (group + 1) * group_rows < rows ? (group + 1) * group_rows : rows;
      for (int64_t i = group * group_rows; i < last; i++) {
        const float *from = x + i * columns, *gradient = dy + i * columns;
        const RowMoments row = moments_of(from, columns, epsilon);
        Floats along_sums = {};
        const float sum = sum_over(columns, [&](int64_t j, int64_t n) {
          const Floats g = load_some(gradient + j, n);
          const Floats normalized = (load_some(from + j, n) - row.mean) * row.inverse_deviation;
          store_some(weight_sums + j, load_some(weight_sums + j, n) + g * normalized, n);
          store_some(bias_sums + j, load_some(bias_sums + j, n) + g, n);
          const Floats scaled = g * load_some(weight + j, n);
          along_sums += scaled * normalized;  // lanes past the end have no gradient
          return scaled;
        });
        const float mean = sum * share, along = sum_of(along_sums) * share;
        each_vector(columns, [&](int64_t j, int64_t n) {
          const Floats normalized = (load_some(from + j, n) - row.mean) * row.inverse_deviation;
          const Floats scaled = load_some(gradient + j, n) * load_some(weight + j, n);
          store_some(dx + i * columns + j, (scaled - mean - normalized * along) * row.inverse_deviation, n);
        });
      }
    }
  });
  for (int64_t j = 0; j < columns; j++) dweight[j] = dbias[j] = 0;
  for (int64_t group = 0; group < groups; group++) {
    const float* sums = partial + group * 2 * columns;
    for (int64_t j = 0; j < columns; j++) dweight[j] += sums[j];
    for (int64_t j = 0; j < columns; j++) dbias[j] += sums[columns + j];
  }
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
