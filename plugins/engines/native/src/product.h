// Matrix products: operands are packed into panels, in parts that fit in the caches, and divided among threads.
#pragma once

#include "elementwise.h"
#include "kernels.h"
#include "packed_product.h"
#include "row_product.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

// Panels of a, and of b, that are packed and multiplied at a time. The sum over the inner dimension is split at the
// same places for any number of threads.
constexpr int64_t ROW_PANELS = 12;
constexpr int64_t COLUMN_PANELS = 16;
// Words of a packed operand that fit in the second-level cache next to everything else.
constexpr int64_t SMALL_WORDS = 262144;

template <class In>
class Multiplication {
 public:
  explicit Multiplication(const Product& product) : p_(product) {
    row_panels_ = (p_.m + ROWS - 1) / ROWS;
    column_panels_ = (p_.n + NR - 1) / NR;
    reads_rows_ = In::reads_rows && p_.a.column_stride == 1 && p_.activated_a == Activation::none;
  }

  void run() {
    if (p_.k == 0) return clear();
    // Threads divide up the longer dimension: each packs its own part when it needs it; the other operand is packed
    // whole before.
    const int threads = p_.m * p_.n * p_.k < 65536 ? 1 : thread_count();
    if (halves_stay_near()) by_halves(threads);
    else if (p_.n > p_.m) by_columns(threads);
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
    const auto pack = [&](Range columns, uint32_t* b) { pack_columns(columns, b); };
    const int64_t words = packed_words(column_panels_, NR);
    with_packed(threads, column_panels_, words, GROUP, pack,
                [&](const uint32_t* b, Range rows) { multiply_group(rows, b); });
  }

  /**
   * Returns whether half of the inner dimension is so small that what the previous kernel has written of it is still in
   * the second-level cache of the core that wrote it: for weight gradients of a small model.
   */
  bool halves_stay_near() const {
    constexpr int64_t least = 256, near = 524288;
    const bool is_long = p_.k >= least && p_.k > p_.m && p_.k > p_.n;
    return is_long && p_.k * (p_.m + p_.n) <= near && p_.slope_at == nullptr;
  }

  /**
   * Computes each half of the inner dimension separately, and sums them. Threads divide the inner dimension like the
   * rows of other kernels, so that each packs what it has written, and nothing is packed twice.
   */
  void by_halves(int threads) {
    Product first = p_, second = p_;
    first.k = units_of<In>((p_.k + 1) / 2) / In::parts * In::per_unit;
    second.k = p_.k - first.k;
    second.a.data += first.k * p_.a.column_stride;
    second.b.data += first.k * p_.b.row_stride;
    second.bias = second.residual = nullptr;
    second.c = shared_.get<float>(p_.m * p_.n);
    Multiplication halves[] = {Multiplication(first), Multiplication(second)};
    const int64_t groups = (2 * row_panels_ + GROUP - 1) / GROUP;
    Shares shares(2 * groups, 2 * groups, threads);
    on_threads(threads, [&](int thread) {
      const Multiplication* packed = nullptr;
      uint32_t* b = own_.get<uint32_t>(halves[0].packed_words(column_panels_, NR));
      shares.each(thread, [&](int64_t part, int64_t) {
        Multiplication& half = halves[part / groups];
        if (packed != &half) half.pack_columns({0, column_panels_}, b);
        packed = &half;
        const int64_t group = part % groups;
        half.multiply_group({row_panels_ * group / groups, row_panels_ * (group + 1) / groups}, b);
      });
    });
    add_scaled(p_.m * p_.n, p_.c, second.c, 1.0f, p_.c);
  }

  /** Packs all inner steps of some panels of b, at their place in `b`. */
  void pack_columns(Range columns, uint32_t* b) {
    for (int64_t k = 0; k < p_.k; k += INNER_STEP)
      pack_b(columns, k, b + words_before(k, column_panels_, NR) + columns.begin * units_at(k) * NR);
  }

  /** Multiplies at most GROUP panels of a, which are packed here, by all of b. */
  void multiply_group(Range rows, const uint32_t* b) {
    uint32_t* a = part_.get<uint32_t>(GROUP * ROWS * units_of<In>(INNER_STEP));
    for (int64_t k = 0; k < p_.k; k += INNER_STEP) {
      if (!reads_rows_) pack_rows(a_at(rows.begin, k), p_.m - rows.begin * ROWS, k, {0, rows.end - rows.begin}, a);
      block(rows, {0, column_panels_}, k, a, b + words_before(k, column_panels_, NR));
    }
  }

  /**
   * Packs one operand of `panels` panels whole with pack(panels, to), and lets the threads multiply it by parts of the
   * other operand's panels, at most `most` at a time: work(packed, part). Each thread packs a small operand for itself,
   * which is faster than waiting for others and fetching what they packed.
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

  /** Packs all of a, inner step by inner step; within a step, the rows' panels are consecutive. */
  void pack_a(Range rows, uint32_t* a) {
    for (int64_t k = 0; k < p_.k; k += INNER_STEP)
      pack_rows(a_at(0, k), p_.m, k, rows, a + words_before(k, row_panels_, ROWS));
  }

  void pack_rows(const float* from, int64_t rows, int64_t k, Range panels, uint32_t* to) {
    const auto& [data, row, column] = p_.a;
    const auto pack = [&, data = from, row_stride = row, column_stride = column](auto form) {
      typedef decltype(form) Form;
      pack_left<In, Form>(data, row_stride, column_stride, rows, inner_at(k), panels.begin, panels.end, to);
    };
    if (p_.activated_a == Activation::none) pack(AsTheyAre{});
    else with_activation(p_.activated_a, [&](auto form) { pack(Activated<decltype(form)>{}); });
  }

  /** Packs some panels of b for one inner step, to the start of `b`. */
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

  /** Multiplies some panels of a and b, packed for one inner step; a is null if its rows are read in place. */
  void block(Range rows, Range columns, int64_t k, const uint32_t* a, const uint32_t* b) {
    const int64_t units = units_at(k);
    Epilogue epilogue;
    epilogue.accumulate = k > 0;
    const int64_t first = rows.begin * ROWS * p_.n + columns.begin * NR;
    if (k == 0 && p_.bias != nullptr) epilogue.bias = p_.bias + columns.begin * NR;
    if (k == 0 && p_.residual != nullptr) epilogue.residual = p_.residual + first;
    if (k + INNER_STEP >= p_.k && p_.slope_at != nullptr) {
      epilogue.slope_at = p_.slope_at + first;
      epilogue.slope_of = p_.slope_of;
    };
    // Not together with a derivative, which already uses all available prefetches (measured).
    epilogue.is_far = epilogue.slope_at == nullptr;
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
  if (is_row_product(p)) row_product(p);
  else if (p.precision == Precision::bf16) Multiplication<InBf16>(p).run();
  else Multiplication<InF32>(p).run();
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
