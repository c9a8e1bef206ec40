// Packed operands of a matrix product: panels of P rows (or columns), each laid out by the inner dimension.
#pragma once

#include "kernels.h"
#include "normal.h"
#include "simd.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** How an operand's numbers are packed and multiplied. A unit is one word of a panel's row: 1 or 2 inner elements. */
struct InF32 {
  static constexpr int per_unit = 1;
  static Words convert(Floats even, Floats) { return (Words)even; }
  static Floats multiply_add(Floats c, Words a, Words b) { return multiply_add_f32(c, a, b); }
};

struct InBf16 {
  static constexpr int per_unit = 2;
  static Words convert(Floats even, Floats odd) { return to_bfloat_pairs(even, odd); }
  static Floats multiply_add(Floats c, Words a, Words b) { return multiply_add_bf16(c, a, b); }
};

template <class In>
constexpr int64_t units_of(int64_t inner) {
  return (inner + In::per_unit - 1) / In::per_unit;
}

/** What is done with an operand's numbers before they are packed; 0 must stay 0. */
struct AsTheyAre {
  static Floats map(Floats x) { return x; }
};

struct TheirGelu {
  static Floats map(Floats x) { return gelu_of(x); }
};

// A panel's word (unit u, lane i) goes to to[u * P + i]. Element (lane i, inner k) of the operand stands at
// from[i * lane_stride + k * inner_stride]. Lanes from `lanes` on, and inner elements from `inner` on, are 0.

/** The units [begin, end) of one panel whose lanes follow each other in memory. */
template <class In, int P, class Form>
void pack_adjacent_lanes(const float* from, int64_t inner_stride, int64_t lanes, int64_t inner, int64_t begin,
                         int64_t end, uint32_t* to) {
  for (int64_t u = begin; u < end; u++) {
    const int64_t k = u * In::per_unit;
    const float* even = from + k * inner_stride;
    const bool has_odd = In::per_unit == 2 && k + 1 < inner;
    const float* odd = has_odd ? even + inner_stride : even;
    for (int64_t i = 0; i < P; i += W) {
      const int64_t n = lanes - i;
      const Floats first = n >= W ? load(even + i) : n > 0 ? load_part(even + i, n) : Floats{};
      const Floats second = !has_odd ? Floats{} : n >= W ? load(odd + i) : n > 0 ? load_part(odd + i, n) : Floats{};
      const Words word = In::convert(Form::map(first), Form::map(second));
      if (P - i >= W) store(to + u * P + i, word);
      else std::memcpy(to + u * P + i, &word, (P - i) * sizeof(uint32_t));
    }
  }
}

/** One panel whose lanes stand apart: W units of W lanes are read along the lanes, and transposed. */
template <class In, int P, class Form>
void pack_distant_lanes(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                        uint32_t* to) {
  const int64_t units = units_of<In>(inner);
  for (int64_t i = 0; i < P; i += W) {
    for (int64_t u = 0; u < units; u += W) {
      Words block[W];
      const int64_t k = u * In::per_unit;
      for (int lane = 0; lane < W; lane++) {
        const float* row = from + (i + lane) * lane_stride + k * inner_stride;
        const int64_t left = inner - k;
        if (i + lane >= lanes || i + lane >= P) {
          block[lane] = Words{};
        } else if (inner_stride != 1) {
          float even[W] = {}, odd[W] = {};
          for (int64_t j = 0; j < W && j * In::per_unit < left; j++) {
            even[j] = row[j * In::per_unit * inner_stride];
            if (In::per_unit == 2 && j * 2 + 1 < left) odd[j] = row[(j * 2 + 1) * inner_stride];
          }
          block[lane] = In::convert(Form::map(load(even)), Form::map(load(odd)));
        } else if (In::per_unit == 1) {
          block[lane] = (Words)Form::map(left >= W ? load(row) : load_part(row, left));
        } else {
          const Floats low = left >= W ? load(row) : load_part(row, left);
          const Floats high = left >= 2 * W ? load(row + W) : left > W ? load_part(row + W, left - W) : Floats{};
          block[lane] = pairs_along(Form::map(low), Form::map(high));
        }
      }
      transpose(block);
      const int64_t rows = units - u < W ? units - u : W;
      if (P - i >= W) {
        for (int64_t j = 0; j < rows; j++) store(to + (u + j) * P + i, block[j]);
      } else {
        // Ascending, a whole vector each: what spills over is overwritten by the next row; the last one must not.
        for (int64_t j = 0; j < rows; j++) {
          uint32_t* row = to + (u + j) * P + i;
          if (u + j + 1 < units && i == 0) store(row, block[j]);
          else std::memcpy(row, &block[j], (P - i) * sizeof(uint32_t));
        }
      }
    }
  }
}

/** Packs panels [begin, end) of an operand, one after the other. */
template <class In, int P, class Form = AsTheyAre>
void pack_panels(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                 int64_t begin, int64_t end, uint32_t* to) {
  const int64_t units = units_of<In>(inner);
  const auto lanes_of = [&](int64_t panel) { return lanes - panel * P < P ? lanes - panel * P : P; };
  if (lane_stride != 1) {
    for (int64_t panel = begin; panel < end; panel++)
      pack_distant_lanes<In, P, Form>(from + panel * P * lane_stride, lane_stride, inner_stride, lanes_of(panel), inner,
                                      to + panel * units * P);
    return;
  }
  // Some units of all panels before the next: memory is read along its rows.
  constexpr int64_t step = 8;
  for (int64_t u = 0; u < units; u += step)
    for (int64_t panel = begin; panel < end; panel++)
      pack_adjacent_lanes<In, P, Form>(from + panel * P, inner_stride, lanes_of(panel), inner, u,
                                       u + step < units ? u + step : units, to + panel * units * P);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
