// Products of packed operands, with tiles of MR x NR (or tile registers) kept in registers.
#pragma once

#include "pack.h"
#include "rows.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** Operations on a tile when it is stored. */
struct Epilogue {
  bool accumulate = false;      // add to what is there
  bool is_far = false;          // the result's memory is not in the cache: it is asked for before it is written
  const float* bias = nullptr;  // add [n] to every row
  // Matrices laid out as the result is; both null where the tile is neither first nor last along the inner dimension.
  const float* residual = nullptr;  // add
  const float* slope_at = nullptr;  // then multiply by the slope of an activation there
  Activation slope_of = Activation::none;
};

/** Computes one tile: MR lanes of a, whose words left(u, i) returns, times NR lanes of b, summed over the units. */
template <class In, class Left>
inline void sum_products(int64_t units, Left&& left, const uint32_t* b, Floats (&sums)[MR][NV]) {
  // Later code reads `sums` at an index that varies, so Clang keeps it in memory; these stay in registers.
  Floats kept[MR][NV] = {};
  for (int64_t u = 0; u < units; u++) {
    Words right[NV];
    for (int v = 0; v < NV; v++) right[v] = load(b + u * NR + v * W);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
      const Words word = left(u, i);
      for (int v = 0; v < NV; v++) kept[i][v] = In::multiply_add(kept[i][v], word, right[v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
    for (int v = 0; v < NV; v++) sums[i][v] = kept[i][v];
}

template <class In>
inline void multiply_tile(int64_t units, const uint32_t* a, const uint32_t* b, Floats (&sums)[MR][NV]) {
  sum_products<In>(units, [&](int64_t u, int i) { return splat_word(a[u * MR + i]); }, b, sums);
}

/** The same for `count` rows that are not packed. */
template <class In>
inline void multiply_rows(int64_t units, const float* a, int64_t row_stride, int64_t count, const uint32_t* b,
                          Floats (&sums)[MR][NV]) {
  const float* rows[MR];
  for (int i = 0; i < MR; i++) rows[i] = a + (i < count ? i : count - 1) * row_stride;
  sum_products<In>(units, [&](int64_t u, int i) { return (Words)splat(rows[i][u]); }, b, sums);
}

#ifdef ESPALIER_TILES
template <class In>
inline void multiply_tile(int64_t units, const uint32_t* a, const uint32_t* b, Floats (&sums)[2 * TILE][NV]) {
  static_assert(In::tile_rows == Tiles::LANES && NR == Tiles::LANES);
  In::Context::multiply(units, a, b, nullptr, reinterpret_cast<float*>(sums), Tiles::LANES);
}

/** A whole tile that is only added to is stored directly. */
template <class In>
inline bool multiply_in_place(int64_t units, const uint32_t* a, const uint32_t* b, float* c, int64_t row_stride,
                              int64_t rows, int64_t columns, const Epilogue& epilogue) {
  const bool sums_two = epilogue.accumulate && epilogue.residual != nullptr;
  if (rows < Tiles::LANES || columns < Tiles::LANES) return false;
  if (epilogue.bias != nullptr || epilogue.slope_at != nullptr || sums_two) return false;
  In::Context::multiply(units, a, b, epilogue.accumulate ? c : epilogue.residual, c, row_stride);
  return true;
}
#endif

/** scaled(value, at, n) returns the final value of a vector of the result. */
template <int Rows, class Scaled>
inline void store_tile_as(const Floats (&sums)[Rows][NV], float* c, int64_t row_stride, int64_t rows, int64_t columns,
                          const Epilogue& epilogue, Scaled&& scaled) {
  for (int64_t i = 0; i < rows; i++) {
    for (int v = 0; v < NV; v++) {
      const int64_t at = i * row_stride + v * W;
      const int64_t n = columns - v * W < W ? columns - v * W : W;
      if (n <= 0) break;
      Floats value = sums[i][v];
      if (epilogue.bias != nullptr) value += load_some(epilogue.bias + v * W, n);
      if (epilogue.accumulate) value += load_some(c + at, n);
      if (epilogue.residual != nullptr) value += load_some(epilogue.residual + at, n);
      store_some(c + at, scaled(value, at, n), n);
    }
  }
}

template <int Rows>
inline void store_tile(const Floats (&sums)[Rows][NV], float* c, int64_t row_stride, int64_t rows, int64_t columns,
                       const Epilogue& epilogue) {
  const auto store = [&](auto scaled) { store_tile_as(sums, c, row_stride, rows, columns, epilogue, scaled); };
  if (epilogue.slope_at == nullptr) return store([](Floats value, int64_t, int64_t) { return value; });
  with_activation(epilogue.slope_of, [&](auto form) {
    store([&](Floats value, int64_t at, int64_t n) {
      return value * form.slope(load_some(epilogue.slope_at + at, n));
    });
  });
}

/** Prefetches the lines that a tile's epilogue reads and writes, before the tile is computed. */
inline void prefetch_tile(const float* c, int64_t row_stride, int64_t rows, const Epilogue& epilogue) {
  const float* const result = epilogue.accumulate || epilogue.is_far ? c : nullptr;
  const float* const all[] = {result, epilogue.residual, epilogue.slope_at};
  for (const float* matrix : all) {
    if (matrix == nullptr) continue;
    for (int64_t i = 0; i < rows; i++)
      for (int v = 0; v < NV; v++) ask_for(matrix + i * row_stride + v * W);
  }
}

/** A packed operand: panels that are `panel_stride` words apart. */
struct Packed {
  const uint32_t* words;
  int64_t panel_stride;
};

/** The left operand: packed, or rows that are read in place. */
struct Left {
  Left(Packed packed) : packed(packed) {}
  Left(const float* rows, int64_t row_stride) : packed(), rows(rows), row_stride(row_stride) {}

  /** Prefetches part `share` of `shares` of the data of `count` rows from `first` on. */
  void prefetch(int64_t first, int64_t count, int64_t units, int64_t share, int64_t shares) const {
    constexpr int64_t line = 16;
    const int64_t lines = (units + line - 1) / line;
    for (int64_t i = first; i < first + count; i++)
      for (int64_t j = lines * share / shares; j < lines * (share + 1) / shares; j++)
        ask_for(rows + i * row_stride + j * line);
  }

  Packed packed;
  const float* rows = nullptr;
  int64_t row_stride = 0;
};

// Columns of c that are written before the next rows: memory is traversed along its rows, while the panels of b that
// they need stay in the second-level cache.
constexpr int64_t COLUMNS_AT_ONCE = 8 * NR;

/** c [m, n] = a * b over `units` units of packed operands. */
template <class In>
void multiply_packed(int64_t m, int64_t n, int64_t units, Left a, Packed b, float* c, int64_t row_stride,
                     const Epilogue& epilogue) {
  constexpr int64_t rows_at_once = In::tile_rows;
  [[maybe_unused]] typename In::Context context;
  for (int64_t group = 0; group < n; group += COLUMNS_AT_ONCE) {
    const int64_t end = group + COLUMNS_AT_ONCE < n ? group + COLUMNS_AT_ONCE : n;
    for (int64_t i = 0; i * rows_at_once < m; i++) {
      const int64_t rows = m - i * rows_at_once < rows_at_once ? m - i * rows_at_once : rows_at_once;
      for (int64_t column = group; column < end; column += NR) {
        const int64_t first = i * rows_at_once * row_stride + column;
        Epilogue here = epilogue;
        if (here.bias != nullptr) here.bias += column;
        if (here.residual != nullptr) here.residual += first;
        if (here.slope_at != nullptr) here.slope_at += first;
        prefetch_tile(c + first, row_stride, rows, here);
        const uint32_t *left = a.packed.words + i * a.packed.panel_stride;
        const uint32_t* right = b.words + column / NR * b.panel_stride;
#ifdef ESPALIER_TILES
        if constexpr (In::tile_rows == Tiles::LANES)
          if (multiply_in_place<In>(units, left, right, c + first, row_stride, rows, end - column, here)) continue;
#endif
        Floats sums[In::tile_rows][NV];
        if (!In::reads_rows || a.rows == nullptr) multiply_tile<In>(units, left, right, sums);
        else if constexpr (In::reads_rows) {
          // Prefetch the next rows.
          const int64_t top = i * rows_at_once, next = top + rows_at_once;
          if (group == 0)
            a.prefetch(next, m - next < rows ? m - next : rows, units, column / NR, (end + NR - 1) / NR);
          multiply_rows<In>(units, a.rows + top * a.row_stride, a.row_stride, rows, right, sums);
        }
        store_tile(sums, c + first, row_stride, rows, end - column, here);
      }
    }
  }
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
