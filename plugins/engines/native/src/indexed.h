// Slices by index, running sums, and the largest elements of each row.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels.h"
#include "product.h"
#include "scratch.h"
#include "simd.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

inline void gather(const Gather& g) {
  const int64_t bytes = g.slice * (g.is_byte ? 1 : 4);
  const auto* x = static_cast<const char*>(g.x);
  auto* y = static_cast<char*>(g.y);
  parallel(g.batch * g.outer * g.count, bytes / 4 + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t row = i / g.count, id = g.ids[row / g.outer * g.count + i % g.count];
      const char* from = x + (row * g.size + id) * bytes;
      if (bytes == 4) std::memcpy(y + i * 4, from, 4);
      else std::memcpy(y + i * bytes, from, bytes);
    }
  });
}

template <class T>
void scatter_slices(const Scatter& s) {
  const T* x = static_cast<const T*>(s.x);
  T* y = static_cast<T*>(s.y);
  const auto put = [&](int64_t i, int64_t first, int64_t last) {
    T* to = y + s.ids[i] * s.slice;
    const T* from = x + i * s.slice;
    if (s.kind == Scatter::add)
      for (int64_t j = first; j < last; j++) to[j] += from[j];
    else
      for (int64_t j = first; j < last; j++) to[j] = from[j];
  };
  // Each thread has its own columns or rows, over all ids in order.
  if (s.slice >= 4 * W) {
    parallel(s.slice, s.count, [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < s.count; i++)
        if (s.ids[i] >= 0) put(i, begin, end);
    });
  } else {
    const int64_t least = s.rows / 64 + 1;
    parallel((s.rows + least - 1) / least, s.count * s.slice / 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < s.count; i++)
        if (s.ids[i] >= begin * least && s.ids[i] < end * least) put(i, 0, s.slice);
    });
  }
}

inline void scatter(const Scatter& s) {
  if (s.type == ElementType::floats) scatter_slices<float>(s);
  else if (s.type == ElementType::integers) scatter_slices<int32_t>(s);
  else scatter_slices<uint8_t>(s);
}

inline void one_hot(int64_t count, int64_t depth, uint32_t on, uint32_t off, const int32_t* ids, bool is_byte,
                    void* y) {
  parallel(count, depth, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const bool is_within = ids[i] >= 0 && ids[i] < depth;
      if (is_byte) {
        uint8_t* to = static_cast<uint8_t*>(y) + i * depth;
        std::memset(to, static_cast<uint8_t>(off), depth);
        if (is_within) to[ids[i]] = static_cast<uint8_t>(on);
      } else {
        uint32_t* to = static_cast<uint32_t*>(y) + i * depth;
        for (int64_t j = 0; j < depth; j++) to[j] = off;
        if (is_within) to[ids[i]] = on;
      }
    }
  });
}

template <class T, class Join>
void run_along(const Running& r, T start, Join&& join) {
  const T* x = static_cast<const T*>(r.x);
  T* y = static_cast<T*>(r.y);
  parallel(r.outer * r.inner, r.size, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t first = i / r.inner * r.size * r.inner + i % r.inner;
      T total = start;
      for (int64_t k = 0; k < r.size; k++) {
        const int64_t at = first + (r.is_reverse ? r.size - 1 - k : k) * r.inner;
        // The first element is taken unchanged, to keep the sign of a zero.
        const T next = k == 0 && !r.is_exclusive ? x[at] : join(x[at], total);
        y[at] = r.is_exclusive ? total : next;
        total = next;
      }
    }
  });
}

inline void running(const Running& r) {
  const auto sum = [](auto a, auto b) { return a + b; };
  const auto product = [](auto a, auto b) { return a * b; };
  if (r.type == ElementType::floats) {
    if (r.is_product) run_along<float>(r, 1, product);
    else run_along<float>(r, 0, sum);
  } else if (r.is_product) {
    run_along<uint32_t>(r, 1, product);
  } else {
    run_along<uint32_t>(r, 0, sum);
  }
}

/**
 * values and indices [rows, k] of the largest elements of each row of x [rows, columns]; the first of equal ones first.
 */
template <class T>
void top_of_rows(int64_t rows, int64_t columns, int64_t k, const T* x, T* values, int32_t* indices) {
  parallel(rows, columns * 4, [&](int64_t begin, int64_t end) {
    static thread_local Scratch scratch;
    int32_t* order = scratch.get<int32_t>(columns);
    for (int64_t row = begin; row < end; row++) {
      const T* from = x + row * columns;
      for (int64_t i = 0; i < columns; i++) order[i] = static_cast<int32_t>(i);
      // NaN sorts last, because an order needs a place for it.
      const auto before = [&](int32_t a, int32_t b) {
        const bool none_a = from[a] != from[a], none_b = from[b] != from[b];
        if (none_a || none_b) return none_a == none_b ? a < b : none_b;
        return from[a] > from[b] || (from[a] == from[b] && a < b);
      };
      if (k < columns) std::nth_element(order, order + k, order + columns, before);
      std::sort(order, order + k, before);
      for (int64_t i = 0; i < k; i++) indices[row * k + i] = order[i], values[row * k + i] = from[order[i]];
    }
  });
}

inline void top_k(int64_t rows, int64_t columns, int64_t k, ElementType type, const void* x, void* values,
                  int32_t* indices) {
  if (type == ElementType::floats)
    top_of_rows(rows, columns, k, static_cast<const float*>(x), static_cast<float*>(values), indices);
  else
    top_of_rows(rows, columns, k, static_cast<const int32_t*>(x), static_cast<int32_t*>(values), indices);
}

/** Computes each product by one thread if there are enough of them, otherwise by all threads. */
inline void batch_product(const Product& one, const BatchProduct& batch) {
  const int64_t a = one.m * one.k, b = one.k * one.n, c = one.m * one.n;
  const auto multiply = [&](int64_t i) {
    Product p = one;
    p.a.data += batch.of_a[i] * a, p.b.data += batch.of_b[i] * b, p.c += i * c;
    product(p);
  };
  if (batch.batches < 2 * thread_count()) {
    for (int64_t i = 0; i < batch.batches; i++) multiply(i);
    return;
  }
  parallel(batch.batches, one.m * one.n * (one.k / 8 + 1), [&](int64_t begin, int64_t end) {
    const Alone alone;
    for (int64_t i = begin; i < end; i++) multiply(i);
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
