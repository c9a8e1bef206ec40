// Moves elements from one layout to another: slices, transposes, repeats, joins and reversals.
#pragma once

#include <cstring>

#include "kernels.h"
#include "simd.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/**
 * Returns the copy without axes of size 1, and with neighbouring axes merged if they are contiguous in both layouts.
 */
inline StridedCopy joined_axes(const StridedCopy& given) {
  StridedCopy copy = given;
  copy.rank = 0;
  for (int axis = 0; axis < given.rank; axis++) {
    const int64_t size = given.sizes[axis], from = given.from[axis], to = given.to[axis];
    if (size == 1) continue;
    const int last = copy.rank - 1;
    if (last >= 0 && copy.from[last] == from * size && copy.to[last] == to * size) {
      copy.sizes[last] *= size, copy.from[last] = from, copy.to[last] = to;
    } else {
      copy.sizes[copy.rank] = size, copy.from[copy.rank] = from, copy.to[copy.rank] = to;
      copy.rank++;
    }
  }
  return copy;
}

template <class T>
inline void copy_line(int64_t size, const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  if (from_stride == 1 && to_stride == 1) {
    std::memcpy(to, from, sizeof(T) * size);
  } else if (from_stride == 0 && to_stride == 1) {
    const T value = *from;
    for (int64_t i = 0; i < size; i++) to[i] = value;
  } else {
    for (int64_t i = 0; i < size; i++) to[i * to_stride] = from[i * from_stride];
  }
}

/** Transposes from [rows, columns] to [columns, rows]; lines of both are `stride` apart. */
template <class T>
inline void transpose_lines(int64_t rows, int64_t columns, const T* from, int64_t from_stride, T* to,
                            int64_t to_stride) {
  for (int64_t i = 0; i < rows; i += W)
    for (int64_t j = 0; j < columns; j += W) {
      const int64_t m = rows - i < W ? rows - i : W, n = columns - j < W ? columns - j : W;
      if constexpr (sizeof(T) == 4) {
        if (m == W && n == W) {
          const auto* in = reinterpret_cast<const uint32_t*>(from + i * from_stride + j);
          auto* out = reinterpret_cast<uint32_t*>(to + j * to_stride + i);
          Words lines[W];
          for (int k = 0; k < W; k++) lines[k] = load(in + k * from_stride);
          transpose(lines);
          for (int k = 0; k < W; k++) store(out + k * to_stride, lines[k]);
          continue;
        }
      }
      for (int64_t k = 0; k < n; k++)
        for (int64_t l = 0; l < m; l++) to[(j + k) * to_stride + i + l] = from[(i + l) * from_stride + j + k];
    }
}

/** Iterates over all coordinates of some axes of a copy, in order, starting anywhere. */
class Coordinates {
 public:
  Coordinates(const StridedCopy& copy, int rank, int64_t first) : copy_(copy), rank_(rank) {
    for (int axis = rank - 1; axis >= 0; axis--) {
      at_[axis] = first % copy.sizes[axis];
      first /= copy.sizes[axis];
      from += at_[axis] * copy.from[axis], to += at_[axis] * copy.to[axis];
    }
  }

  void next() {
    for (int axis = rank_ - 1; axis >= 0; axis--) {
      from += copy_.from[axis], to += copy_.to[axis];
      if (++at_[axis] < copy_.sizes[axis]) return;
      from -= copy_.sizes[axis] * copy_.from[axis], to -= copy_.sizes[axis] * copy_.to[axis];
      at_[axis] = 0;
    }
  }

  int64_t from = 0, to = 0;

 private:
  const StridedCopy& copy_;
  int rank_;
  int64_t at_[StridedCopy::MOST_AXES];
};

/** Returns the axis along which the input is contiguous, if it is not the last (a transpose); otherwise -1. */
inline int transposed_axis(const StridedCopy& copy) {
  const int last = copy.rank - 1;
  if (last < 1 || copy.to[last] != 1 || copy.from[last] == 1 || copy.sizes[last] < 4) return -1;
  for (int axis = last - 1; axis >= 0; axis--)
    if (copy.from[axis] == 1 && copy.sizes[axis] >= 4) return axis;
  return -1;
}

template <class T>
void copy_elements(StridedCopy copy) {
  const T* x = static_cast<const T*>(copy.x);
  T* y = static_cast<T*>(copy.y);
  const int axis = transposed_axis(copy);
  if (axis >= 0) {
    const int64_t columns = copy.sizes[axis], to_stride = copy.to[axis];
    for (int i = axis; i + 1 < copy.rank; i++)
      copy.sizes[i] = copy.sizes[i + 1], copy.from[i] = copy.from[i + 1], copy.to[i] = copy.to[i + 1];
    copy.rank--;
    const int64_t rows = copy.sizes[copy.rank - 1], from_stride = copy.from[copy.rank - 1];
    int64_t count = 1;
    for (int i = 0; i + 1 < copy.rank; i++) count *= copy.sizes[i];
    // Blocks of columns are units of work too, because there may be only one matrix.
    const int64_t block = 4 * W, blocks = (columns + block - 1) / block;
    parallel(count * blocks, rows * block, [&](int64_t begin, int64_t end) {
      Coordinates at(copy, copy.rank - 1, begin / blocks);
      for (int64_t i = begin; i < end; i++) {
        const int64_t first = i % blocks * block, some = columns - first < block ? columns - first : block;
        transpose_lines(rows, some, x + at.from + first, from_stride, y + at.to + first * to_stride, to_stride);
        if (i % blocks == blocks - 1) at.next();
      }
    });
    return;
  }
  const int lines = copy.rank - 1;
  const int64_t size = copy.sizes[lines], from_stride = copy.from[lines], to_stride = copy.to[lines];
  int64_t count = 1;
  for (int i = 0; i < lines; i++) count *= copy.sizes[i];
  if (count == 1) {
    parallel(size, 1, [&](int64_t begin, int64_t end) {
      copy_line(end - begin, x + begin * from_stride, from_stride, y + begin * to_stride, to_stride);
    });
    return;
  }
  parallel(count, size, [&](int64_t begin, int64_t end) {
    Coordinates at(copy, lines, begin);
    for (int64_t i = begin; i < end; i++, at.next())
      copy_line(size, x + at.from, from_stride, y + at.to, to_stride);
  });
}

inline void strided_copy(const StridedCopy& given) {
  StridedCopy copy = joined_axes(given);
  if (copy.rank == 0) copy.sizes[0] = copy.from[0] = copy.to[0] = copy.rank = 1;
  if (given.is_byte) copy_elements<uint8_t>(copy);
  else copy_elements<uint32_t>(copy);
}

inline void fill(int64_t size, bool is_byte, uint32_t value, void* y) {
  parallel(size, 1, [&](int64_t begin, int64_t end) {
    if (is_byte) return void(std::memset(static_cast<uint8_t*>(y) + begin, static_cast<int>(value), end - begin));
    uint32_t* to = static_cast<uint32_t*>(y);
    for (int64_t i = begin; i < end; i++) to[i] = value;
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
