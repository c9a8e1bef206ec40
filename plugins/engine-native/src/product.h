// Matrix products: operands packed into panels, tiles of MR x NR kept in registers.
#pragma once

#include "kernels.h"
#include "pack.h"
#include "row_product.h"
#include "rows.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** What happens to a tile when it is stored. */
struct Epilogue {
  bool accumulate = false;      // add to what is there
  bool is_far = false;          // the result's memory is not in the cache: it is asked for before it is written
  const float* bias = nullptr;  // add [n] to every row
  // Matrices laid out as the result is; both null where the tile is neither first nor last along the inner dimension.
  const float* residual = nullptr;       // add
  const float* gelu_slope_at = nullptr;  // then multiply by the slope of the GELU there
};

/** One tile: MR lanes of a, of which left(u, i) is a word, times NR lanes of b, summed over the units. */
template <class In, class Left>
inline void sum_products(int64_t units, Left&& left, const uint32_t* b, Floats (&sums)[MR][NV]) {
  for (int i = 0; i < MR; i++)
    for (int v = 0; v < NV; v++) sums[i][v] = Floats{};
  for (int64_t u = 0; u < units; u++) {
    Words right[NV];
    for (int v = 0; v < NV; v++) right[v] = load(b + u * NR + v * W);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
      const Words word = left(u, i);
      for (int v = 0; v < NV; v++) sums[i][v] = In::multiply_add(sums[i][v], word, right[v]);
    }
  }
}

template <class In>
inline void multiply_tile(int64_t units, const uint32_t* a, const uint32_t* b, Floats (&sums)[MR][NV]) {
  sum_products<In>(units, [&](int64_t u, int i) { return splat_word(a[u * MR + i]); }, b, sums);
}

/** The same of `count` rows that are read where they are. */
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

/** A whole tile with nothing to do but to add it to something goes to its place without a detour. */
template <class In>
inline bool multiply_in_place(int64_t units, const uint32_t* a, const uint32_t* b, float* c, int64_t row_stride,
                              int64_t rows, int64_t columns, const Epilogue& epilogue) {
  const bool sums_two = epilogue.accumulate && epilogue.residual != nullptr;
  if (rows < Tiles::LANES || columns < Tiles::LANES) return false;
  if (epilogue.bias != nullptr || epilogue.gelu_slope_at != nullptr || sums_two) return false;
  In::Context::multiply(units, a, b, epilogue.accumulate ? c : epilogue.residual, c, row_stride);
  return true;
}
#endif

template <int Rows>
inline void store_tile(const Floats (&sums)[Rows][NV], float* c, int64_t row_stride, int64_t rows, int64_t columns,
                       const Epilogue& epilogue) {
  for (int64_t i = 0; i < rows; i++) {
    for (int v = 0; v < NV; v++) {
      const int64_t at = i * row_stride + v * W;
      const int64_t n = columns - v * W < W ? columns - v * W : W;
      if (n <= 0) break;
      Floats value = sums[i][v];
      if (epilogue.bias != nullptr) value += load_some(epilogue.bias + v * W, n);
      if (epilogue.accumulate) value += load_some(c + at, n);
      if (epilogue.residual != nullptr) value += load_some(epilogue.residual + at, n);
      if (epilogue.gelu_slope_at != nullptr) value *= gelu_slope(load_some(epilogue.gelu_slope_at + at, n));
      store_some(c + at, value, n);
    }
  }
}

/** Asks for the lines that a tile's epilogue reads, and for those it writes, before it is multiplied. */
inline void prefetch_tile(const float* c, int64_t row_stride, int64_t rows, const Epilogue& epilogue) {
  const float* const result = epilogue.accumulate || epilogue.is_far ? c : nullptr;
  const float* const all[] = {result, epilogue.residual, epilogue.gelu_slope_at};
  for (const float* matrix : all) {
    if (matrix == nullptr) continue;
    for (int64_t i = 0; i < rows; i++)
      for (int v = 0; v < NV; v++) ask_for(matrix + i * row_stride + v * W);
  }
}

/** A packed operand: panels that stand `panel_stride` words apart. */
struct Packed {
  const uint32_t* words;
  int64_t panel_stride;
};

/** The left operand: packed, or rows that are read where they are. */
struct Left {
  Left(Packed packed) : packed(packed) {}
  Left(const float* rows, int64_t row_stride) : packed(), rows(rows), row_stride(row_stride) {}

  /** Asks for the given share of what `count` rows from `first` on have, in `shares` shares. */
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

// Columns of c that are written before the next rows: memory is passed through along its rows, while the panels of b
// that they need stay in the second-level cache.
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
        if (here.gelu_slope_at != nullptr) here.gelu_slope_at += first;
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
          // The next rows are on their way when their turn comes.
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

// Panels of a, and of b, that are packed and multiplied in one go. The sum over the inner dimension is cut at the same
// places for every number of threads.
constexpr int64_t ROW_PANELS = 12;
constexpr int64_t COLUMN_PANELS = 16;
// Words of a packed operand that stay in the second-level cache beside the rest.
constexpr int64_t SMALL_WORDS = 262144;

template <class In>
class Multiplication {
 public:
  explicit Multiplication(const Product& product) : p_(product) {
    row_panels_ = (p_.m + ROWS - 1) / ROWS;
    column_panels_ = (p_.n + NR - 1) / NR;
    reads_rows_ = In::reads_rows && p_.a.column_stride == 1 && !p_.gelu_of_a;
  }

  void run() {
    if (p_.k == 0) return clear();
    // What is longer is shared by the threads: each packs its own part when it needs it, and the other operand is
    // packed whole before.
    const int threads = p_.m * p_.n * p_.k < 65536 ? 1 : thread_count();
    if (p_.n > p_.m) by_columns(threads);
    else by_rows(threads);
  }

 private:
  static constexpr int64_t ROWS = In::tile_rows, GROUP = ROW_PANELS * MR / ROWS, INNER_STEP = In::inner_step;

  void by_columns(int threads) {
    const auto pack = [&](Range rows, uint32_t* a) { pack_a(rows, a); };
    const int64_t words = reads_rows_ ? 0 : packed_words(row_panels_, ROWS);
    with_packed(threads, row_panels_, words, COLUMN_PANELS, pack, [&](const uint32_t* a, Range columns) {
      uint32_t* b = part_.get<uint32_t>(COLUMN_PANELS * NR * units_of<In>(INNER_STEP));
      for (int64_t k = 0; k < p_.k; k += INNER_STEP) {
        pack_b(columns, k, b);
        multiply({0, row_panels_}, columns, k, a, b);
      }
    });
  }

  void by_rows(int threads) {
    const auto pack = [&](Range columns, uint32_t* b) {
      for (int64_t k = 0; k < p_.k; k += INNER_STEP)
        pack_b(columns, k, b + words_before(k, column_panels_, NR) + columns.begin * units_at(k) * NR);
    };
    const int64_t words = packed_words(column_panels_, NR);
    with_packed(threads, column_panels_, words, GROUP, pack, [&](const uint32_t* b, Range rows) {
      uint32_t* a = part_.get<uint32_t>(GROUP * ROWS * units_of<In>(INNER_STEP));
      for (int64_t k = 0; k < p_.k; k += INNER_STEP) {
        if (!reads_rows_) pack_rows(a_at(rows.begin, k), p_.m - rows.begin * ROWS, k, {0, rows.end - rows.begin}, a);
        block(rows, {0, column_panels_}, k, a, b + words_before(k, column_panels_, NR));
      }
    });
  }

  /**
   * Packs the operand of so many panels whole, with pack(panels, to), and has the threads multiply it by parts of the
   * other operand's panels, no more than `most` at a time: work(packed, part). A small operand is packed by each thread
   * for itself, which is faster than to wait for the others and to fetch what they packed.
   */
  template <class Pack, class Work>
  void with_packed(int threads, int64_t panels, int64_t words, int64_t most, Pack&& pack, Work&& work) {
    const int64_t others = row_panels_ + column_panels_ - panels;
    const bool apart = words <= SMALL_WORDS && panels * threads <= 2 * others;
    uint32_t* shared = nullptr;
    if (words > 0 && !apart) {
      shared = shared_.get<uint32_t>(words);
      Shares shares(panels, threads * PARTS_OF_A_SHARE, threads);
      on_threads(threads, [&](int thread) {
        shares.each(thread, [&](int64_t begin, int64_t end) { pack({begin, end}, shared); });
      });
    }
    const int64_t least = (others + threads * most - 1) / (threads * most);
    Shares shares(others, threads * (least < PARTS_OF_A_SHARE ? PARTS_OF_A_SHARE : least), threads);
    on_threads(threads, [&](int thread) {
      Range part;
      if (!shares.take(thread, part)) return;
      uint32_t* packed = shared;
      if (words > 0 && apart) pack({0, panels}, packed = own_.get<uint32_t>(words));
      do work(packed, part);
      while (shares.take(thread, part));
    });
  }

  /** All of a, inner step by inner step; the rows' panels of one step follow each other. */
  void pack_a(Range rows, uint32_t* a) {
    for (int64_t k = 0; k < p_.k; k += INNER_STEP)
      pack_rows(a_at(0, k), p_.m, k, rows, a + words_before(k, row_panels_, ROWS));
  }

  void pack_rows(const float* from, int64_t rows, int64_t k, Range panels, uint32_t* to) {
    const auto& [data, row, column] = p_.a;
    if (p_.gelu_of_a) pack_left<In, TheirGelu>(from, row, column, rows, inner_at(k), panels.begin, panels.end, to);
    else pack_left<In>(from, row, column, rows, inner_at(k), panels.begin, panels.end, to);
  }

  /** Some panels of b, for one inner step, to the start of `b`. */
  void pack_b(Range columns, int64_t k, uint32_t* b) {
    pack_right<In>(p_.b.data + columns.begin * NR * p_.b.column_stride + k * p_.b.row_stride,
                        p_.b.column_stride, p_.b.row_stride, p_.n - columns.begin * NR, inner_at(k), 0,
                        columns.end - columns.begin, b);
  }

  void multiply(Range rows, Range columns, int64_t k, const uint32_t* a, const uint32_t* b) {
    for (int64_t i = rows.begin; i < rows.end; i += GROUP) {
      const Range group = {i, i + GROUP < rows.end ? i + GROUP : rows.end};
      const uint32_t* left = reads_rows_ ? nullptr : a + words_before(k, row_panels_, ROWS) + i * units_at(k) * ROWS;
      block(group, columns, k, left, b);
    }
  }

  /** The product of some panels of a and of b, packed for one inner step; a is null where its rows are read. */
  void block(Range rows, Range columns, int64_t k, const uint32_t* a, const uint32_t* b) {
    const int64_t units = units_at(k);
    Epilogue epilogue;
    epilogue.accumulate = k > 0;
    const int64_t first = rows.begin * ROWS * p_.n + columns.begin * NR;
    if (k == 0 && p_.bias != nullptr) epilogue.bias = p_.bias + columns.begin * NR;
    if (k == 0 && p_.residual != nullptr) epilogue.residual = p_.residual + first;
    if (k + INNER_STEP >= p_.k && p_.gelu_slope_at != nullptr) epilogue.gelu_slope_at = p_.gelu_slope_at + first;
    // Not beside a slope, which has as many lines on their way as there can be (measured).
    epilogue.is_far = epilogue.gelu_slope_at == nullptr;
    const int64_t m = (rows.end * ROWS < p_.m ? rows.end * ROWS : p_.m) - rows.begin * ROWS;
    const int64_t n = (columns.end * NR < p_.n ? columns.end * NR : p_.n) - columns.begin * NR;
    const Left left = reads_rows_ ? Left(a_at(rows.begin, k), p_.a.row_stride) : Left(Packed{a, units * ROWS});
    multiply_packed<In>(m, n, units, left, {b, units * NR}, p_.c + first, p_.n, epilogue);
  }

  void clear() {
    for (int64_t i = 0; i < p_.m; i++)
      for (int64_t j = 0; j < p_.n; j++) {
        float* to = p_.c + i * p_.n + j;
        *to = p_.bias == nullptr ? 0.0f : p_.bias[j];
        if (p_.residual != nullptr) *to += p_.residual[i * p_.n + j];
      }
  }

  const float* a_at(int64_t panel, int64_t k) const {
    return p_.a.data + panel * ROWS * p_.a.row_stride + k * p_.a.column_stride;
  }
  int64_t inner_at(int64_t k) const { return p_.k - k < INNER_STEP ? p_.k - k : INNER_STEP; }
  int64_t units_at(int64_t k) const { return units_of<In>(inner_at(k)); }
  int64_t words_before(int64_t k, int64_t panels, int width) const { return units_of<In>(k) * panels * width; }
  int64_t packed_words(int64_t panels, int width) const { return units_of<In>(p_.k) * panels * width; }

  const Product& p_;
  int64_t row_panels_, column_panels_;
  bool reads_rows_;  // of a, which is then not packed
  static thread_local Scratch shared_, own_, part_;
};

template <class In>
thread_local Scratch Multiplication<In>::shared_;
template <class In>
thread_local Scratch Multiplication<In>::own_;
template <class In>
thread_local Scratch Multiplication<In>::part_;

inline void product(const Product& p) {
  const bool is_row = is_row_product(p);
  if (is_row && p.precision == Precision::bf16) multiply_row<Rounded>(p);
  else if (is_row) multiply_row<Whole>(p);
  else if (p.precision == Precision::bf16) Multiplication<InBf16>(p).run();
  else Multiplication<InF32>(p).run();
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
