// The product of one row and a matrix, which is read once and where it is: packing it would read it twice.
#pragma once

#include <cstring>

#include "activations.h"
#include "kernels.h"
#include "rows.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** What an operand's numbers become before they are multiplied. */
struct Whole {
  static Floats of(Floats x) { return x; }
};

struct Rounded {
  static Floats of(Floats x) { return (Floats)(to_bfloat_pairs(x, x) & 0xffff0000u); }
};

/** c [columns] = a [inner] * b, whose rows stand `stride` apart: four at once, so that c is passed through less often. */
template <class Form>
inline void add_up_rows(const float* a, int64_t inner, const float* b, int64_t stride, int64_t columns, float* c) {
  std::memset(c, 0, sizeof(float) * columns);
  int64_t k = 0;
  for (; k + 4 <= inner; k += 4) {
    const float* row = b + k * stride;
    each_vector(columns, [&](int64_t j, int64_t n) {
      Floats sum = load_some(c + j, n);
      for (int i = 0; i < 4; i++) sum += a[k + i] * Form::of(load_some(row + i * stride + j, n));
      store_some(c + j, sum, n);
    });
  }
  for (; k < inner; k++)
    each_vector(columns, [&](int64_t j, int64_t n) {
      store_some(c + j, load_some(c + j, n) + a[k] * Form::of(load_some(b + k * stride + j, n)), n);
    });
}

/** c [columns] = a [inner] * b, whose columns stand `stride` apart: four at once, so that sums do not wait for each other. */
template <class Form>
inline void add_up_columns(const float* a, int64_t inner, const float* b, int64_t stride, int64_t columns, float* c) {
  for (int64_t j = 0; j < columns; j += 4) {
    const int64_t count = columns - j < 4 ? columns - j : 4;
    const float* column[4];
    for (int64_t i = 0; i < 4; i++) column[i] = b + (j + (i < count ? i : count - 1)) * stride;
    Floats sums[4] = {};
    each_vector(inner, [&](int64_t k, int64_t n) {
      const Floats left = load_some(a + k, n);
      for (int i = 0; i < 4; i++) sums[i] += left * Form::of(load_some(column[i] + k, n));
    });
    for (int64_t i = 0; i < count; i++) c[j + i] = sum_of(sums[i]);
  }
}

inline bool is_row_product(const Product& p) {
  return p.m == 1 && p.k > 0 && (p.b.column_stride == 1 || p.b.row_stride == 1);
}

template <class Form>
void multiply_row(const Product& p) {
  static thread_local Scratch scratch;
  float* a = scratch.get<float>(p.k);
  for (int64_t k = 0; k < p.k; k++) a[k] = p.a.data[k * p.a.column_stride];
  if (p.activated_a != Activation::none) {
    with_activation(p.activated_a, [&](auto form) {
      each_vector(p.k, [&](int64_t k, int64_t n) { store_some(a + k, form.of(load_some(a + k, n)), n); });
    });
  }
  each_vector(p.k, [&](int64_t k, int64_t n) { store_some(a + k, Form::of(load_some(a + k, n)), n); });
  parallel((p.n + W - 1) / W, p.k * W, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * W, columns = (end * W < p.n ? end * W : p.n) - first;
    float* c = p.c + first;
    if (p.b.column_stride == 1) add_up_rows<Form>(a, p.k, p.b.data + first, p.b.row_stride, columns, c);
    else add_up_columns<Form>(a, p.k, p.b.data + first * p.b.column_stride, p.b.column_stride, columns, c);
    each_vector(columns, [&](int64_t j, int64_t n) {
      Floats value = load_some(c + j, n);
      if (p.bias != nullptr) value += load_some(p.bias + first + j, n);
      if (p.residual != nullptr) value += load_some(p.residual + first + j, n);
      store_some(c + j, value, n);
    });
    if (p.slope_at == nullptr) return;
    with_activation(p.slope_of, [&](auto form) {
      each_vector(columns, [&](int64_t j, int64_t n) {
        store_some(c + j, load_some(c + j, n) * form.slope(load_some(p.slope_at + first + j, n)), n);
      });
    });
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
