// Row operations of a program: reductions of rows, spreading a value over its row, softmax, parts of rows, and joined
// rows. They give the same bits as the separate kernels.
#pragma once

#include "elementwise_codes.h"
#include "reduce.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** y [rows, step.columns] of x and z [rows, step.from_columns]. */
typedef void (*RowStep)(const ElementwiseStep& step, int64_t rows, const float* x, const float* z, float* y);

#define ESPALIER_ROW_STEP(name)                                                                              \
  inline void row_##name([[maybe_unused]] const ElementwiseStep& step, int64_t rows, const float* x, \
                         [[maybe_unused]] const float* z, float* y)

ESPALIER_ROW_STEP(sumOfRow) {
  const int64_t columns = step.from_columns[0];
  for (int64_t i = 0; i < rows; i++)
    y[i] = static_cast<float>(OfFloats<Total>::line(columns, x + i * columns) * step.number);
}

ESPALIER_ROW_STEP(largestOfRow) {
  const int64_t columns = step.from_columns[0];
  for (int64_t i = 0; i < rows; i++) {
    const float* row = x + i * columns;
    y[i] = first_of_zeros(static_cast<float>(OfFloats<Largest>::line(columns, row)), row, 1);
  }
}

ESPALIER_ROW_STEP(spread) {
  for (int64_t i = 0; i < rows; i++) {
    const Floats value = splat(x[i]);
    float* row = y + i * step.columns;
    each_vector(step.columns, [&](int64_t j, int64_t n) { store_some(row + j, value, n); });
  }
}

ESPALIER_ROW_STEP(softmaxOfRow) {
  for (int64_t i = 0; i < rows; i++) softmax_row(step.columns, x + i * step.columns, y + i * step.columns);
}

inline void copy_row(int64_t columns, const float* from, float* to) {
  each_vector(columns, [&](int64_t j, int64_t n) { store_some(to + j, load_some(from + j, n), n); });
}

ESPALIER_ROW_STEP(partOfRow) {
  const float* first = x + static_cast<int64_t>(step.number);
  for (int64_t i = 0; i < rows; i++) copy_row(step.columns, first + i * step.from_columns[0], y + i * step.columns);
}

ESPALIER_ROW_STEP(joinedRows) {
  const auto& [left, right] = step.from_columns;
  for (int64_t i = 0; i < rows; i++) {
    copy_row(left, x + i * left, y + i * step.columns);
    copy_row(right, z + i * right, y + i * step.columns + left);
  }
}

#undef ESPALIER_ROW_STEP

constexpr RowStep ROW_STEPS[] = {
#define ESPALIER_FUNCTION(name, reads) row_##name,
    ESPALIER_ROW_STEPS(ESPALIER_FUNCTION)
#undef ESPALIER_FUNCTION
};

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
