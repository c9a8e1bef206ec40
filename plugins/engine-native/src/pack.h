// Packed operands of a matrix product: panels of P rows (or columns), each laid out by the inner dimension.
#pragma once

#include "kernels.h"
#include "normal.h"
#include "simd.h"
#include "tiles.h"

namespace espalier {
namespace ESPALIER_VARIANT {

struct NoTiles {
  NoTiles() {}
};

/**
 * How an operand's numbers are packed and multiplied. A unit is one word of a panel's row: 1 or 2 inner elements;
 * panels have a multiple of `unit_step` units. `tile_rows` rows of a are multiplied at once, within a Context.
 */
struct InF32 {
  typedef NoTiles Context;
  static constexpr int per_unit = 1, unit_step = 1, tile_rows = MR;
  static Words convert(Floats even, Floats) { return (Words)even; }
  static Floats multiply_add(Floats c, Words a, Words b) { return multiply_add_f32(c, a, b); }
};

struct InBf16 {
#ifdef ESPALIER_TILES
  typedef Tiles Context;
  static constexpr int per_unit = 2, unit_step = TILE, tile_rows = 2 * TILE;
#else
  typedef NoTiles Context;
  static constexpr int per_unit = 2, unit_step = 1, tile_rows = MR;
#endif
  static Words convert(Floats even, Floats odd) { return to_bfloat_pairs(even, odd); }
  static Floats multiply_add(Floats c, Words a, Words b) { return multiply_add_bf16(c, a, b); }
};

template <class In>
constexpr int64_t units_of(int64_t inner) {
  constexpr int64_t step = In::per_unit * In::unit_step;
  return (inner + step - 1) / step * In::unit_step;
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
      const int64_t n = k < inner ? lanes - i : 0;
      const Floats first = load_up_to(even + i, n);
      const Floats second = has_odd ? load_up_to(odd + i, n) : Floats{};
      const Words word = In::convert(Form::map(first), Form::map(second));
      if (P - i >= W) store(to + u * P + i, word);
      else store_part(to + u * P + i, word, P - i);
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
        if (i + lane >= lanes || i + lane >= P || left <= 0) {
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
          const Floats low = load_up_to(row, left);
          const Floats high = load_up_to(row + W, left - W);
          block[lane] = pairs_along(Form::map(low), Form::map(high));
        }
      }
      transpose(block);
      const int64_t rows = units - u < W ? units - u : W;
      if (P - i >= W) {
        for (int64_t j = 0; j < rows; j++) store(to + (u + j) * P + i, block[j]);
      } else {
        for (int64_t j = 0; j < rows; j++) store_part(to + (u + j) * P + i, block[j], P - i);
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

#ifdef ESPALIER_TILES
/** One panel of a for tiles: unlike above, unit u of lane i goes to to[(u / TILE * P + i) * TILE + u % TILE]. */
template <class Form>
void pack_tiles(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                uint32_t* to) {
  constexpr int64_t pairs = 2 * TILE;
  for (int64_t k = 0; k < inner; k += pairs) {
    for (int64_t i = 0; i < InBf16::tile_rows; i += TILE, to += TILE * TILE) {
      const float* corner = from + i * lane_stride + k * inner_stride;
      const int64_t height = lanes - i < TILE ? lanes - i : TILE, width = inner - k < pairs ? inner - k : pairs;
      Words block[TILE];
      if (inner_stride == 1) {
        for (int64_t lane = 0; lane < TILE; lane++) {
          const float* row = corner + lane * lane_stride;
          block[lane] = lane < height ? pairs_along(Form::map(load_up_to(row, width)),
                                                    Form::map(load_up_to(row + W, width - W)))
                                      : Words{};
        }
      } else {
        for (int64_t u = 0; u < TILE; u++) {
          const float* even = corner + 2 * u * inner_stride;
          block[u] = to_bfloat_pairs(Form::map(load_up_to(even, 2 * u < width ? height : 0)),
                                     Form::map(load_up_to(even + inner_stride, 2 * u + 1 < width ? height : 0)));
        }
        transpose(block);
      }
      for (int64_t lane = 0; lane < TILE; lane++) store(to + lane * TILE, block[lane]);
    }
  }
}
#endif

/** Packs panels [begin, end) of b, lanes being its columns. */
template <class In>
void pack_right(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                int64_t begin, int64_t end, uint32_t* to) {
  pack_panels<In, NR>(from, lane_stride, inner_stride, lanes, inner, begin, end, to);
}

/** Packs panels [begin, end) of a, lanes being its rows; one of the strides is 1. */
template <class In, class Form = AsTheyAre>
void pack_left(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
               int64_t begin, int64_t end, uint32_t* to) {
#ifdef ESPALIER_TILES
  if constexpr (In::tile_rows != MR) {
    constexpr int64_t rows = In::tile_rows;
    for (int64_t panel = begin; panel < end; panel++)
      pack_tiles<Form>(from + panel * rows * lane_stride, lane_stride, inner_stride,
                       lanes - panel * rows < rows ? lanes - panel * rows : rows, inner,
                       to + panel * units_of<In>(inner) * rows);
    return;
  }
#endif
  pack_panels<In, In::tile_rows, Form>(from, lane_stride, inner_stride, lanes, inner, begin, end, to);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
