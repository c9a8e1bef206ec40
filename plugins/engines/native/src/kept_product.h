// Products of few rows with a matrix that was packed to bfloat16, as in generating the next token. The matrix is read
// once, in memory order.
#pragma once

#include "activations.h"
#include "kernels.h"
#include "rows.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

// A panel is KEPT_COLUMNS columns; each pair of inner elements has one word per column, and 0 beyond the matrix.
constexpr int KEPT_VECTORS = 4, KEPT_COLUMNS = KEPT_VECTORS * W;

inline int64_t kept_panels(int64_t n) { return (n + KEPT_COLUMNS - 1) / KEPT_COLUMNS; }

inline int64_t kept_words(int64_t n, int64_t k) { return kept_panels(n) * ((k + 1) / 2) * KEPT_COLUMNS; }

inline void keep_matrix(int64_t n, int64_t k, Matrix b, uint32_t* packed) {
  const int64_t pairs = (k + 1) / 2;
  parallel(kept_panels(n), k * KEPT_COLUMNS, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; panel++) {
      const int64_t first = panel * KEPT_COLUMNS, columns = n - first < KEPT_COLUMNS ? n - first : KEPT_COLUMNS;
      uint32_t* to = packed + panel * pairs * KEPT_COLUMNS;
      const float* from = b.data + first * b.column_stride;
      for (int64_t pair = 0; pair < pairs; pair++, to += KEPT_COLUMNS) {
        float even[KEPT_COLUMNS] = {}, odd[KEPT_COLUMNS] = {};
        const bool has_odd = 2 * pair + 1 < k;
        const float* row = from + 2 * pair * b.row_stride;
        for (int64_t j = 0; j < columns; j++) {
          even[j] = row[j * b.column_stride];
          if (has_odd) odd[j] = row[j * b.column_stride + b.row_stride];
        }
        for (int v = 0; v < KEPT_VECTORS; v++) store(to + v * W, to_bfloat_pairs(load(even + v * W), load(odd + v * W)));
      }
    }
  });
}

/** Rows of a as words of two bfloat16 numbers. */
inline void pair_up(const KeptProduct& p, uint32_t* to) {
  const int64_t pairs = (p.k + 1) / 2;
  for (int64_t i = 0; i < p.m; i++) {
    const float* row = p.a + i * p.k;
    for (int64_t pair = 0; pair < pairs; pair += W) {
      float even[W] = {}, odd[W] = {};
      for (int64_t j = 0; j < W && pair + j < pairs; j++) {
        const int64_t at = 2 * (pair + j);
        even[j] = row[at];
        if (at + 1 < p.k) odd[j] = row[at + 1];
      }
      Floats low = load(even), high = load(odd);
      if (p.activated_a != Activation::none)
        with_activation(p.activated_a, [&](auto form) { low = form.of(low), high = form.of(high); });
      uint32_t words[W];
      store(words, to_bfloat_pairs(low, high));
      for (int64_t j = 0; j < W && pair + j < pairs; j++) to[i * pairs + pair + j] = words[j];
    }
  }
}

/** Columns of one panel of c, for some rows. A row's sums do not depend on the other rows. */
template <int Rows>
inline void multiply_kept(const KeptProduct& p, const uint32_t* a, int64_t row, int64_t panel) {
  constexpr int64_t ahead = 16 * KEPT_COLUMNS;
  const int64_t pairs = (p.k + 1) / 2;
  const uint32_t* words = p.b + panel * pairs * KEPT_COLUMNS;
  Floats sums[Rows][KEPT_VECTORS] = {};
  for (int64_t pair = 0; pair < pairs; pair++, words += KEPT_COLUMNS) {
    Words right[KEPT_VECTORS];
    for (int v = 0; v < KEPT_VECTORS; v++) {
      right[v] = load(words + v * W);
      ask_for(reinterpret_cast<const float*>(words + ahead + v * W));
    }
    for (int i = 0; i < Rows; i++) {
      const Words left = splat_word(a[(row + i) * pairs + pair]);
      for (int v = 0; v < KEPT_VECTORS; v++) sums[i][v] = multiply_add_bf16(sums[i][v], left, right[v]);
    }
  }
  const int64_t first = panel * KEPT_COLUMNS;
  for (int i = 0; i < Rows; i++)
    for (int v = 0; v < KEPT_VECTORS; v++) {
      const int64_t column = first + v * W, n = p.n - column < W ? p.n - column : W;
      if (n <= 0) break;
      const int64_t at = (row + i) * p.n + column;
      Floats value = sums[i][v];
      if (p.bias != nullptr) value += load_some(p.bias + column, n);
      if (p.residual != nullptr) value += load_some(p.residual + at, n);
      store_some(p.c + at, value, n);
    }
}

inline void kept_product(const KeptProduct& p) {
  static thread_local Scratch scratch;
  const int64_t pairs = (p.k + 1) / 2;
  uint32_t* a = scratch.get<uint32_t>(p.m * pairs + W);
  pair_up(p, a);
  parallel(kept_panels(p.n), p.k * KEPT_COLUMNS, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; panel++) {
      int64_t row = 0;
      for (; row + 4 <= p.m; row += 4) multiply_kept<4>(p, a, row, panel);
      for (; row + 2 <= p.m; row += 2) multiply_kept<2>(p, a, row, panel);
      if (row < p.m) multiply_kept<1>(p, a, row, panel);
    }
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
