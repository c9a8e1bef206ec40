// Arguments of kernels on arrays of any rank and type.
#pragma once

#include <cstdint>

#include "element_type.h"

namespace espalier {

/** The element of y at Σ coordinate * to is that of x at Σ coordinate * from. */
struct StridedCopy {
  static constexpr int MOST_AXES = 12;
  int rank;
  int64_t sizes[MOST_AXES], from[MOST_AXES], to[MOST_AXES];
  const void* x;
  void* y;
  bool is_byte;  // elements of a byte; else of four
};

/** Reduces x [outer, size, inner], none of them 0, to y [outer, inner]. */
struct Reduction {
  enum Kind : int32_t { sum, product, maximum, minimum, arg_max, arg_min };
  Kind kind;
  ElementType type;  // of x; y has it too, or integers where a sum, a product or an index needs them, or floats
  int64_t outer, size, inner;
  double scale;  // of a sum of floats, or of one that becomes floats
  bool to_floats;
  const void* x;
  void* y;
};

/** A running sum or product along the middle axis of x [outer, size, inner]. */
struct Running {
  bool is_product, is_exclusive, is_reverse;
  ElementType type;
  int64_t outer, size, inner;
  const void* x;
  void* y;
};

/** y [batch, outer, count, slice] = x [batch, outer, size, slice] at ids [batch, count] of the third axis. */
struct Gather {
  int64_t batch, outer, size, count, slice;
  const int32_t* ids;
  const void* x;
  void* y;
  bool is_byte;
};

/**
 * y [rows, slice]: writes or adds each of `count` slices of x at its id, which is below `rows`, or skipped if negative.
 */
struct Scatter {
  enum Kind : int32_t { add, put };
  Kind kind;
  ElementType type;
  int64_t count, rows, slice;
  const int32_t* ids;
  const void* x;
  void* y;
};

/** y [batch, m, n]: products of matrices a and b, which each batch selects. */
struct BatchProduct {
  int64_t batches;
  const int32_t *of_a, *of_b;
};

}  // namespace espalier
