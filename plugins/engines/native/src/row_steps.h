// Steps of a program that go along rows: a reduction of each, its spreading over a row again, softmax. The bits are those
// of the kernels that do the same for themselves.
#pragma once

#include "elementwise_codes.h"
#include "reduce.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** y of x [rows, columns], or of x [rows]: which of them is an element of each row, its code says. */
typedef void (*RowStep)(int64_t rows, int64_t columns, const float* x, double scale, float* y);

inline void row_sumOfRow(int64_t rows, int64_t columns, const float* x, double scale, float* y) {
  for (int64_t i = 0; i < rows; i++)
    y[i] = static_cast<float>(OfFloats<Total>::line(columns, x + i * columns) * scale);
}

inline void row_largestOfRow(int64_t rows, int64_t columns, const float* x, double, float* y) {
  for (int64_t i = 0; i < rows; i++) {
    const float* row = x + i * columns;
    y[i] = first_of_zeros(static_cast<float>(OfFloats<Largest>::line(columns, row)), row, 1);
  }
}

inline void row_spread(int64_t rows, int64_t columns, const float* x, double, float* y) {
  for (int64_t i = 0; i < rows; i++) {
    const Floats value = splat(x[i]);
    each_vector(columns, [&](int64_t j, int64_t n) { store_some(y + i * columns + j, value, n); });
  }
}

inline void row_softmaxOfRow(int64_t rows, int64_t columns, const float* x, double, float* y) {
  for (int64_t i = 0; i < rows; i++) softmax_row(columns, x + i * columns, y + i * columns);
}

constexpr RowStep ROW_STEPS[] = {
#define ESPALIER_FUNCTION(name, reads, writes) row_##name,
    ESPALIER_ROW_STEPS(ESPALIER_FUNCTION)
#undef ESPALIER_FUNCTION
};

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
