// Packed operands of a matrix product in vector registers: panels of P rows (or columns), each laid out by the inner
// dimension.
#pragma once

#include "operand.h"

namespace espalier {
namespace ESPALIER_VARIANT {

struct NoContext {
  NoContext() {}
};

struct InPanels {
  typedef NoContext Context;
  static constexpr int parts = 1, unit_step = 1, tile_rows = MR;
};

/** A unit is two adjacent bfloat16 numbers. */
struct InBf16 : InPanels {
  static constexpr int per_unit = 2, inner_step = 1024;
  static constexpr bool reads_rows = false;
  static Words convert(Floats even, Floats odd) { return to_bfloat_pairs(even, odd); }
  /** What follows each other in memory: W units. */
  static Words convert_along(Floats low, Floats high) { return pairs_along(low, high); }
  static Floats multiply_add(Floats c, Words a, Words b) { return multiply_add_bf16(c, a, b); }
};

struct InF32 : InPanels {
  static constexpr int per_unit = 1, inner_step = 512;
  static constexpr bool reads_rows = MR <= 6;  // an address for each row of a tile in a register
  static Words convert(Floats even, Floats) { return (Words)even; }
  static Words convert_along(Floats low, Floats) { return (Words)low; }
  static Floats multiply_add(Floats c, Words a, Words b) { return multiply_add_f32(c, a, b); }
};

// A panel's word (unit u, lane i) goes to to[u * P + i]. Element (lane i, inner k) of the operand stands at
// from[i * lane_stride + k * inner_stride]; one of the strides is 1. Lanes from `lanes` on, and inner elements from
// `inner` on, are 0.

/** Packs units [begin, end) of one panel whose lanes are adjacent in memory. */
template <class In, int P, class Form>
void pack_adjacent_lanes(const float* from, int64_t inner_stride, int64_t lanes, int64_t inner, int64_t begin,
                         int64_t end, uint32_t* to) {
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t k = unit * In::per_unit;
    const float* even = from + k * inner_stride;
    const bool has_odd = In::per_unit == 2 && k + 1 < inner;
    const float* odd = has_odd ? even + inner_stride : even;
    for (int64_t i = 0; i < P; i += W) {
      const int64_t n = lanes - i;
      const Floats first = load_up_to(even + i, n);
      const Floats second = has_odd ? load_up_to(odd + i, n) : Floats{};
      store_up_to(to + unit * P + i, In::convert(Form::map(first), Form::map(second)), P - i);
    }
  }
}

/** Packs one panel whose lanes are apart: reads W units of W lanes along the lanes, and transposes them. */
template <class In, int P, class Form>
void pack_distant_lanes(const float* from, int64_t lane_stride, int64_t lanes, int64_t inner, uint32_t* to) {
  const int64_t units = units_of<In>(inner);
  for (int64_t i = 0; i < P; i += W) {
    for (int64_t unit = 0; unit < units; unit += W) {
      Words block[W] = {};
      const int64_t k = unit * In::per_unit, left = inner - k;
      for (int64_t lane = 0; lane < W && i + lane < lanes && i + lane < P; lane++) {
        const float* row = from + (i + lane) * lane_stride + k;
        const Floats high = In::per_unit == 1 ? Floats{} : load_up_to(row + W, left - W);
        block[lane] = In::convert_along(Form::map(load_up_to(row, left)), Form::map(high));
      }
      transpose(block);
      const int64_t rows = units - unit < W ? units - unit : W;
      for (int64_t j = 0; j < rows; j++) store_up_to(to + (unit + j) * P + i, block[j], P - i);
    }
  }
}

/** Packs panels [begin, end) of an operand, one after the other. */
template <class In, int P, class Form>
void pack_panels(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                 int64_t begin, int64_t end, uint32_t* to) {
  const int64_t units = units_of<In>(inner);
  if (lane_stride != 1) {
    for (int64_t panel = begin; panel < end; panel++)
      pack_distant_lanes<In, P, Form>(from + panel * P * lane_stride, lane_stride, lanes - panel * P, inner,
                                      to + panel * units * P);
    return;
  }
  // Packs some units of all panels before the next ones, to read memory along its rows.
  constexpr int64_t step = 8;
  const int64_t last = end * P < lanes ? end * P : lanes;
  for (int64_t unit = 0; unit < units; unit += step) {
    // Meanwhile prefetches the rows of the next units of these panels.
    const int64_t next = (unit + step) * In::per_unit;
    for (int64_t k = next; k < inner && k < next + step * In::per_unit; k++)
      for (int64_t i = begin * P; i < last; i += W) ask_for(from + k * inner_stride + i);
    for (int64_t panel = begin; panel < end; panel++)
      pack_adjacent_lanes<In, P, Form>(from + panel * P, inner_stride, lanes - panel * P, inner, unit,
                                       unit + step < units ? unit + step : units, to + panel * units * P);
  }
}

/** Packs panels [begin, end) of b, lanes being its columns. */
template <class In>
void pack_right(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                int64_t begin, int64_t end, uint32_t* to) {
  pack_panels<In, NR, AsTheyAre>(from, lane_stride, inner_stride, lanes, inner, begin, end, to);
}

/** Packs panels [begin, end) of a, lanes being its rows. */
template <class In, class Form = AsTheyAre>
void pack_left(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
               int64_t begin, int64_t end, uint32_t* to) {
  pack_panels<In, MR, Form>(from, lane_stride, inner_stride, lanes, inner, begin, end, to);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
