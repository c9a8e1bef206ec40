// Reductions over an axis. Parts of the axis, whose length depends only on the shape, are reduced separately and then
// combined in order: the same bits for any number of threads.
#pragma once

#include <cmath>
#include <limits>

#include "exponential.h"
#include "kernels.h"
#include "rows.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** a, or b if it is larger (smaller) or NaN: the first of equal ones. */
struct Largest {
  template <class T>
  static T join(T a, T b) { return b > a || b != b ? b : a; }
  static Floats join(Floats a, Floats b) { return b != b ? b : b > a ? b : a; }
  static constexpr float start = -std::numeric_limits<float>::infinity();
  static constexpr int32_t start_whole = std::numeric_limits<int32_t>::min();
};

struct Smallest {
  template <class T>
  static T join(T a, T b) { return b < a || b != b ? b : a; }
  static Floats join(Floats a, Floats b) { return b != b ? b : b < a ? b : a; }
  static constexpr float start = std::numeric_limits<float>::infinity();
  static constexpr int32_t start_whole = std::numeric_limits<int32_t>::max();
};

struct Total {
  template <class T>
  static T join(T a, T b) { return a + b; }
  static constexpr float start = 0;
  static constexpr int32_t start_whole = 0;
};

struct Times {
  template <class T>
  static T join(T a, T b) { return a * b; }
  static constexpr float start = 1;
  static constexpr int32_t start_whole = 1;
};

/** Elements that are summed in float32 before float64 takes over. */
constexpr int64_t RUN = 1024;

/** Reduces `size` adjacent floats. */
template <class Op>
inline double reduced_run(int64_t size, const float* x) {
  Floats four[4] = {splat(Op::start), splat(Op::start), splat(Op::start), splat(Op::start)};
  int64_t i = 0;
  for (; i + 4 * W <= size; i += 4 * W)
    for (int k = 0; k < 4; k++) four[k] = Op::join(four[k], load(x + i + k * W));
  for (; i + W <= size; i += W) four[0] = Op::join(four[0], load(x + i));
  if (i < size) four[1] = Op::join(four[1], first_lanes(load_part(x + i, size - i), size - i, splat(Op::start)));
  const Floats all = Op::join(Op::join(four[0], four[1]), Op::join(four[2], four[3]));
  return joined(all, [](Floats a, Floats b) { return Op::join(a, b); });
}

/** The type in which parts of an axis are reduced: floats in runs combined in float64, integers in unsigned 64 bits. */
template <class Op>
struct OfFloats {
  typedef float Element;
  typedef double Part;
  static double start() { return Op::start; }
  static double join(double a, double b) { return Op::join(a, b); }

  static double line(int64_t size, const float* x) {
    double total = Op::start;
    for (int64_t i = 0; i < size; i += RUN) total = Op::join(total, reduced_run<Op>(size - i < RUN ? size - i : RUN, x + i));
    return total;
  }

  /** Reduces columns of rows that are `stride` apart, at most BLOCK of them. */
  static void columns(int64_t rows, int64_t count, const float* x, int64_t stride, double* y) {
    constexpr int64_t most = 64;
    for (int64_t j = 0; j < count; j++) y[j] = Op::start;
    for (int64_t i = 0; i < rows; i += most) {
      const int64_t some = rows - i < most ? rows - i : most;
      each_vector(count, [&](int64_t j, int64_t n) {
        Floats sums = splat(Op::start);
        for (int64_t k = 0; k < some; k++) sums = Op::join(sums, load_some(x + (i + k) * stride + j, n));
        for (int64_t k = 0; k < n; k++) y[j + k] = Op::join(y[j + k], static_cast<double>(sums[k]));
      });
    }
  }
};

/** Products are computed entirely in float64, because float32's exponents could overflow. */
struct ProductOfFloats : OfFloats<Times> {
  static double line(int64_t size, const float* x) {
    double total = 1;
    for (int64_t i = 0; i < size; i++) total *= x[i];
    return total;
  }
  static void columns(int64_t rows, int64_t count, const float* x, int64_t stride, double* y) {
    for (int64_t j = 0; j < count; j++) y[j] = 1;
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < count; j++) y[j] *= x[i * stride + j];
  }
};

template <class Op, class T, class P>
struct OfWhole {
  typedef T Element;
  typedef P Part;
  static Part start() { return static_cast<Part>(Op::start_whole); }
  static Part join(Part a, Part b) { return Op::join(a, b); }
  static Part line(int64_t size, const T* x) {
    Part total = start();
    for (int64_t i = 0; i < size; i++) total = Op::join(total, static_cast<Part>(x[i]));
    return total;
  }
  static void columns(int64_t rows, int64_t count, const T* x, int64_t stride, Part* y) {
    for (int64_t j = 0; j < count; j++) y[j] = start();
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < count; j++) y[j] = Op::join(y[j], static_cast<Part>(x[i * stride + j]));
  }
};

/** Calls done(i, total) for each of the outer * inner totals of x [outer, size, inner]. */
template <class Form, class Done>
void reduce_axis(int64_t outer, int64_t size, int64_t inner, const typename Form::Element* x, Done&& done) {
  typedef typename Form::Part Part;
  constexpr int64_t BLOCK = 64;
  const int64_t blocks = inner == 1 ? 1 : (inner + BLOCK - 1) / BLOCK;
  // Split the axis if there is little else to divide among threads.
  const int64_t length = outer * blocks >= 64 ? size : inner == 1 ? 16384 : 1024;
  const int64_t parts = (size + length - 1) / length;
  static thread_local Scratch scratch;
  Part* partial = parts == 1 ? nullptr : scratch.get<Part>(parts * outer * inner);
  const int64_t width = inner < BLOCK ? inner : BLOCK;
  parallel(outer * blocks * parts, (size < length ? size : length) * width, [&](int64_t begin, int64_t end) {
    Part some[BLOCK];
    for (int64_t task = begin; task < end; task++) {
      const int64_t part = task % parts, block = task / parts % blocks, row = task / parts / blocks;
      const int64_t first = part * length, count = size - first < length ? size - first : length;
      const int64_t column = block * BLOCK, columns = inner - column < BLOCK ? inner - column : BLOCK;
      const auto* from = x + (row * size + first) * inner + column;
      if (inner == 1) some[0] = Form::line(count, from);
      else Form::columns(count, columns, from, inner, some);
      for (int64_t j = 0; j < columns; j++) {
        if (partial == nullptr) done(row * inner + column + j, some[j]);
        else partial[part * outer * inner + row * inner + column + j] = some[j];
      }
    }
  });
  if (partial == nullptr) return;
  for (int64_t i = 0; i < outer * inner; i++) {
    Part total = Form::start();
    for (int64_t part = 0; part < parts; part++) total = Form::join(total, partial[part * outer * inner + i]);
    done(i, total);
  }
}

/** The largest (smallest) of floats that are `stride` apart; if it is a zero, the first one, for its sign. */
inline float first_of_zeros(float extreme, const float* x, int64_t stride) {
  if (extreme != 0) return extreme;
  while (*x != 0) x += stride;
  return *x;
}

template <class Op>
void extreme_of_floats(int64_t outer, int64_t size, int64_t inner, const float* x, float* y) {
  reduce_axis<OfFloats<Op>>(outer, size, inner, x, [&](int64_t i, double total) {
    y[i] = first_of_zeros(static_cast<float>(total), x + i / inner * size * inner + i % inner, inner);
  });
}

/** Index of the first largest (smallest) element; NaN is ignored unless it comes first. */
template <class T, class More>
void index_of_extreme(int64_t outer, int64_t size, int64_t inner, const T* x, int32_t* y, More&& more) {
  parallel(outer * inner, size, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const T* from = x + i / inner * size * inner + i % inner;
      T most = from[0];
      int64_t found = 0;
      for (int64_t k = 1; k < size; k++)
        if (more(from[k * inner], most)) most = from[k * inner], found = k;
      y[i] = static_cast<int32_t>(found);
    }
  });
}

template <class T>
void reduce_indices(const Reduction& r) {
  const T* x = static_cast<const T*>(r.x);
  int32_t* y = static_cast<int32_t*>(r.y);
  if (r.kind == Reduction::arg_max)
    index_of_extreme(r.outer, r.size, r.inner, x, y, [](T a, T b) { return a > b; });
  else index_of_extreme(r.outer, r.size, r.inner, x, y, [](T a, T b) { return a < b; });
}

inline void reduce_floats(const Reduction& r) {
  const float* x = static_cast<const float*>(r.x);
  float* y = static_cast<float*>(r.y);
  const auto scaled = [&](int64_t i, double total) { y[i] = static_cast<float>(total * r.scale); };
  switch (r.kind) {
    case Reduction::sum: return reduce_axis<OfFloats<Total>>(r.outer, r.size, r.inner, x, scaled);
    case Reduction::product: return reduce_axis<ProductOfFloats>(r.outer, r.size, r.inner, x, scaled);
    case Reduction::maximum: return extreme_of_floats<Largest>(r.outer, r.size, r.inner, x, y);
    case Reduction::minimum: return extreme_of_floats<Smallest>(r.outer, r.size, r.inner, x, y);
    default: return reduce_indices<float>(r);
  }
}

/** Sums and products wrap around, like JavaScript's writes to integer arrays below 2^53. */
template <class T>
void reduce_whole(const Reduction& r) {
  const T* x = static_cast<const T*>(r.x);
  const auto wide = [&](int64_t i, uint64_t total) {
    if (r.to_floats) static_cast<float*>(r.y)[i] = static_cast<float>(static_cast<double>(static_cast<int64_t>(total)) * r.scale);
    else static_cast<int32_t*>(r.y)[i] = static_cast<int32_t>(static_cast<uint32_t>(total));
  };
  const auto same = [&](int64_t i, T total) { static_cast<T*>(r.y)[i] = total; };
  switch (r.kind) {
    case Reduction::sum: return reduce_axis<OfWhole<Total, T, uint64_t>>(r.outer, r.size, r.inner, x, wide);
    case Reduction::product: return reduce_axis<OfWhole<Times, T, uint64_t>>(r.outer, r.size, r.inner, x, wide);
    case Reduction::maximum: return reduce_axis<OfWhole<Largest, T, T>>(r.outer, r.size, r.inner, x, same);
    case Reduction::minimum: return reduce_axis<OfWhole<Smallest, T, T>>(r.outer, r.size, r.inner, x, same);
    default: return reduce_indices<T>(r);
  }
}

inline void reduce(const Reduction& r) {
  if (r.type == ElementType::floats) return reduce_floats(r);
  if (r.type == ElementType::integers) return reduce_whole<int32_t>(r);
  reduce_whole<uint8_t>(r);
}

/** Divides a row's exponentials, scaled so that the largest is 1, by their sum. `to` may be `from`. */
inline void softmax_row(int64_t columns, const float* from, float* to) {
  const float most = static_cast<float>(reduced_run<Largest>(columns, from));
  const float sum = sum_over(columns, [&](int64_t j, int64_t n) {
    const Floats above = load_some(from + j, n) - most;
    const Floats e = above < -87.0f ? Floats{} : exp_of(above);
    store_some(to + j, e, n);
    return e;
  });
  const float part = 1.0f / sum;
  each_vector(columns, [&](int64_t j, int64_t n) { store_some(to + j, load_some(to + j, n) * part, n); });
}

/** y [rows, columns] */
inline void softmax(int64_t rows, int64_t columns, const float* x, float* y) {
  parallel(rows, columns * 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) softmax_row(columns, x + i * columns, y + i * columns);
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
