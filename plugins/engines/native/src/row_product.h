// The product of few rows and a matrix that is read once, in place: packing it would read it twice.
#pragma once

#include <cstring>

#include "activations.h"
#include "kernels.h"
#include "rows.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** Applied to an operand's numbers before they are multiplied. */
struct Whole {
  static Floats of(Floats x) { return x; }
};

struct Rounded {
  static Floats of(Floats x) { return (Floats)(to_bfloat_pairs(x, x) & 0xffff0000u); }
};

/** Contiguous rows [count, inner] of a, and rows of c, which are apart. */
struct FewRows {
  int64_t count, inner;
  const float* a;
  float* c;
  int64_t stride;
};

/** c = a * b for rows of b `stride` apart: four at a time, so that c is traversed less often. */
template <class Form>
inline void add_up_rows(const FewRows& rows, const float* b, int64_t stride, int64_t columns) {
  for (int64_t i = 0; i < rows.count; i++) std::memset(rows.c + i * rows.stride, 0, sizeof(float) * columns);
  const int64_t inner = rows.inner;
  int64_t k = 0;
  for (; k + 4 <= inner; k += 4) {
    const float* row = b + k * stride;
    // Prefetch the next four.
    if (k + 8 <= inner)
      for (int64_t j = 0; j < columns; j += 16)
        for (int i = 4; i < 8; i++) ask_for(row + i * stride + j);
    for (int64_t at = 0; at < rows.count; at++) {
      const float* a = rows.a + at * inner + k;
      float* c = rows.c + at * rows.stride;
      each_vector(columns, [&](int64_t j, int64_t n) {
        Floats sum = load_some(c + j, n);
        for (int i = 0; i < 4; i++) sum += a[i] * Form::of(load_some(row + i * stride + j, n));
        store_some(c + j, sum, n);
      });
    }
  }
  for (; k < inner; k++)
    for (int64_t at = 0; at < rows.count; at++) {
      float* c = rows.c + at * rows.stride;
      each_vector(columns, [&](int64_t j, int64_t n) {
        const Floats right = Form::of(load_some(b + k * stride + j, n));
        store_some(c + j, load_some(c + j, n) + rows.a[at * inner + k] * right, n);
      });
    }
}

/** c = a * b for columns of b `stride` apart: four at a time, so that sums do not wait for each other. */
template <class Form>
inline void add_up_columns(const FewRows& rows, const float* b, int64_t stride, int64_t columns) {
  for (int64_t j = 0; j < columns; j += 4) {
    const int64_t count = columns - j < 4 ? columns - j : 4;
    const float* column[4];
    for (int64_t i = 0; i < 4; i++) column[i] = b + (j + (i < count ? i : count - 1)) * stride;
    for (int64_t at = 0; at < rows.count; at++) {
      Floats sums[4] = {};
      each_vector(rows.inner, [&](int64_t k, int64_t n) {
        const Floats left = load_some(rows.a + at * rows.inner + k, n);
        for (int i = 0; i < 4; i++) sums[i] += left * Form::of(load_some(column[i] + k, n));
      });
      for (int64_t i = 0; i < count; i++) rows.c[at * rows.stride + j + i] = sum_of(sums[i]);
    }
  }
}

inline bool is_row_product(const Product& p) {
  return p.m == 1 && p.k > 0 && (p.b.column_stride == 1 || p.b.row_stride == 1);
}

template <class Form>
void multiply_few_rows(const Product& p) {
  static thread_local Scratch scratch;
  float* a = scratch.get<float>(p.m * p.k + W);
  for (int64_t i = 0; i < p.m; i++)
    for (int64_t k = 0; k < p.k; k++) a[i * p.k + k] = p.a.data[i * p.a.row_stride + k * p.a.column_stride];
  const int64_t size = p.m * p.k;
  if (p.activated_a != Activation::none) {
    with_activation(p.activated_a, [&](auto form) {
      each_vector(size, [&](int64_t k, int64_t n) { store_some(a + k, form.of(load_some(a + k, n)), n); });
    });
  }
  each_vector(size, [&](int64_t k, int64_t n) { store_some(a + k, Form::of(load_some(a + k, n)), n); });
  parallel((p.n + W - 1) / W, p.k * W, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * W, columns = (end * W < p.n ? end * W : p.n) - first;
    const FewRows rows = {p.m, p.k, a, p.c + first, p.n};
    if (p.b.column_stride == 1) add_up_rows<Form>(rows, p.b.data + first, p.b.row_stride, columns);
    else add_up_columns<Form>(rows, p.b.data + first * p.b.column_stride, p.b.column_stride, columns);
    for (int64_t i = 0; i < p.m; i++)
      each_vector(columns, [&](int64_t j, int64_t n) {
        const int64_t at = i * p.n + first + j;
        Floats value = load_some(p.c + at, n);
        if (p.bias != nullptr) value += load_some(p.bias + first + j, n);
        if (p.residual != nullptr) value += load_some(p.residual + at, n);
        store_some(p.c + at, value, n);
      });
    if (p.slope_at == nullptr) return;
    with_activation(p.slope_of, [&](auto form) {
      for (int64_t i = 0; i < p.m; i++)
        each_vector(columns, [&](int64_t j, int64_t n) {
          const int64_t at = i * p.n + first + j;
          store_some(p.c + at, load_some(p.c + at, n) * form.slope(load_some(p.slope_at + at, n)), n);
        });
    });
  });
}

inline void row_product(const Product& p) {
  if (p.precision == Precision::bf16) multiply_few_rows<Rounded>(p);
  else multiply_few_rows<Whole>(p);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
