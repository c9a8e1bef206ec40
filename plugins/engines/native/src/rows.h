// Loops over a row of floats, one vector at a time, with a partial vector at its end.
#pragma once

#include "simd.h"

namespace espalier {
namespace ESPALIER_VARIANT {

inline Floats load_some(const float* p, int64_t n) { return n == W ? load(p) : load_part(p, n); }

inline void store_some(float* p, Floats v, int64_t n) {
  if (n == W) store(p, v);
  else store_part(p, v, n);
}

/** Returns the sum over 0 ... size - 1 of term(j, n), whose first n lanes count: W, or fewer for the last vector. */
template <class Term>
inline float sum_over(int64_t size, Term&& term) {
  Floats sums = {};
  int64_t j = 0;
  for (; j + W <= size; j += W) sums += term(j, static_cast<int64_t>(W));
  if (j < size) sums += first_lanes(term(j, size - j), size - j, Floats{});
  return sum_of(sums);
}

/** Calls body(j, n) for every vector of 0 ... size - 1. */
template <class Body>
inline void each_vector(int64_t size, Body&& body) {
  int64_t j = 0;
  for (; j + W <= size; j += W) body(j, static_cast<int64_t>(W));
  if (j < size) body(j, size - j);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
