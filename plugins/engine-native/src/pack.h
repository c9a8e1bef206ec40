// Packed operands of a matrix product: panels of P rows (or columns), each laid out by the inner dimension.
#pragma once

#include "gelu_fit.h"
#include "kernels.h"
#include "simd.h"
#include "tiles.h"

namespace espalier {
namespace ESPALIER_VARIANT {

struct NoTiles {
  NoTiles() {}
};

/** The words of W lanes (or units) that some inner elements are packed as. */
template <int Parts>
struct PackedWords {
  Words part[Parts];
};

/**
 * How an operand's numbers are packed and multiplied. A unit is one word of a panel's row: `per_unit` inner elements,
 * in one of `parts` parts. Units come in blocks of `unit_step`; the blocks of all parts of the same inner elements
 * follow each other. `tile_rows` rows of a are multiplied at once, within a Context. `inner_step` inner elements are
 * multiplied in one go: a block of a of some panels then stays in the second-level cache while the panels of b pass by.
 * `reads_rows`: where the inner elements of a row of a follow each other, they are read as they are, and not packed.
 */
struct InBf16 {
#ifdef ESPALIER_TILES
  typedef BfloatTiles Context;
  static constexpr int unit_step = TILE, tile_rows = 2 * TILE;
#else
  typedef NoTiles Context;
  static constexpr int unit_step = 1, tile_rows = MR;
#endif
  static constexpr int parts = 1, per_unit = 2, inner_step = 1024;
  static constexpr bool reads_rows = false;
  static PackedWords<1> convert(Floats even, Floats odd) { return {{to_bfloat_pairs(even, odd)}}; }
  /** What follows each other in memory: W units. */
  static PackedWords<1> convert_along(Floats low, Floats high) { return {{pairs_along(low, high)}}; }
  static Floats multiply_add(Floats c, Words a, Words b) { return multiply_add_bf16(c, a, b); }
};

#ifdef ESPALIER_TILES
/** In float32 precision on tiles: see ThirdsTiles. An infinite operand, or one beyond 3.39e38, makes NaN. */
struct InF32 {
  typedef ThirdsTiles Context;
  static constexpr int parts = 3, per_unit = 2, unit_step = TILE, tile_rows = 2 * TILE, inner_step = 384;
  static constexpr bool reads_rows = false;
  static PackedWords<3> convert(Floats even, Floats odd) { return each_third(even, odd, bfloat_words); }
  static PackedWords<3> convert_along(Floats low, Floats high) {
    return each_third(low, high, [](Floats a, Floats b) { return pairs_along(a, b); });
  }

 private:
  template <class Pack>
  static PackedWords<3> each_third(Floats one, Floats other, Pack&& pack) {
    const Floats first[2] = {near_bfloat(one), near_bfloat(other)};
    const Floats rest[2] = {one - first[0], other - first[1]};
    const Floats middle[2] = {near_bfloat(rest[0]), near_bfloat(rest[1])};
    return {{pack(first[0], first[1]), pack(middle[0], middle[1]), pack(rest[0] - middle[0], rest[1] - middle[1])}};
  }
};
#else
struct InF32 {
  typedef NoTiles Context;
  static constexpr int parts = 1, per_unit = 1, unit_step = 1, tile_rows = MR, inner_step = 512;
  static constexpr bool reads_rows = MR <= 6;  // an address for each row of a tile in a register
  static PackedWords<1> convert(Floats even, Floats) { return {{(Words)even}}; }
  static PackedWords<1> convert_along(Floats low, Floats) { return {{(Words)low}}; }
  static Floats multiply_add(Floats c, Words a, Words b) { return multiply_add_f32(c, a, b); }
};
#endif

/** Words of one lane. */
template <class In>
constexpr int64_t units_of(int64_t inner) {
  constexpr int64_t step = In::per_unit * In::unit_step;
  return (inner + step - 1) / step * In::unit_step * In::parts;
}

/** Where among its lane's words a part of the inner elements from `place` * per_unit on stands. */
template <class In>
constexpr int64_t unit_at(int64_t place, int part) {
  return place % In::unit_step + (place / In::unit_step * In::parts + part) * In::unit_step;
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

/** The places [begin, end) of one panel whose lanes follow each other in memory. */
template <class In, int P, class Form>
void pack_adjacent_lanes(const float* from, int64_t inner_stride, int64_t lanes, int64_t inner, int64_t begin,
                         int64_t end, uint32_t* to) {
  for (int64_t place = begin; place < end; place++) {
    const int64_t k = place * In::per_unit;
    const float* even = from + k * inner_stride;
    const bool has_odd = In::per_unit == 2 && k + 1 < inner;
    const float* odd = has_odd ? even + inner_stride : even;
    for (int64_t i = 0; i < P; i += W) {
      const int64_t n = k < inner ? lanes - i : 0;
      const Floats first = load_up_to(even + i, n);
      const Floats second = has_odd ? load_up_to(odd + i, n) : Floats{};
      const auto words = In::convert(Form::map(first), Form::map(second));
      for (int part = 0; part < In::parts; part++)
        store_up_to(to + unit_at<In>(place, part) * P + i, words.part[part], P - i);
    }
  }
}

/** One panel whose lanes stand apart: W units of W lanes are read along the lanes, and transposed. */
template <class In, int P, class Form>
void pack_distant_lanes(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                        uint32_t* to) {
  const int64_t places = units_of<In>(inner) / In::parts;
  for (int64_t i = 0; i < P; i += W) {
    for (int64_t place = 0; place < places; place += W) {
      Words block[In::parts][W];
      const int64_t k = place * In::per_unit;
      for (int lane = 0; lane < W; lane++) {
        const float* row = from + (i + lane) * lane_stride + k * inner_stride;
        const int64_t left = inner - k;
        PackedWords<In::parts> words = {};
        if (i + lane < lanes && i + lane < P && left > 0) {
          if (inner_stride == 1) {
            const Floats high = In::per_unit == 1 ? Floats{} : load_up_to(row + W, left - W);
            words = In::convert_along(Form::map(load_up_to(row, left)), Form::map(high));
          } else {
            float even[W] = {}, odd[W] = {};
            for (int64_t j = 0; j < W && j * In::per_unit < left; j++) {
              even[j] = row[j * In::per_unit * inner_stride];
              if (In::per_unit == 2 && j * 2 + 1 < left) odd[j] = row[(j * 2 + 1) * inner_stride];
            }
            words = In::convert(Form::map(load(even)), Form::map(load(odd)));
          }
        }
        for (int part = 0; part < In::parts; part++) block[part][lane] = words.part[part];
      }
      const int64_t rows = places - place < W ? places - place : W;
      for (int part = 0; part < In::parts; part++) {
        transpose(block[part]);
        for (int64_t j = 0; j < rows; j++)
          store_up_to(to + unit_at<In>(place + j, part) * P + i, block[part][j], P - i);
      }
    }
  }
}

/** Packs panels [begin, end) of an operand, one after the other. */
template <class In, int P, class Form = AsTheyAre>
void pack_panels(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                 int64_t begin, int64_t end, uint32_t* to) {
  const int64_t units = units_of<In>(inner);
  if (lane_stride != 1) {
    for (int64_t panel = begin; panel < end; panel++)
      pack_distant_lanes<In, P, Form>(from + panel * P * lane_stride, lane_stride, inner_stride, lanes - panel * P,
                                      inner, to + panel * units * P);
    return;
  }
  // Some places of all panels before the next: memory is read along its rows.
  constexpr int64_t step = 8;
  const int64_t places = units / In::parts;
  const int64_t last = end * P < lanes ? end * P : lanes;
  for (int64_t place = 0; place < places; place += step) {
    // The rows of the next places, of which these panels have a piece, are asked for meanwhile.
    const int64_t next = (place + step) * In::per_unit;
    for (int64_t k = next; k < inner && k < next + step * In::per_unit; k++)
      for (int64_t i = begin * P; i < last; i += W) ask_for(from + k * inner_stride + i);
    for (int64_t panel = begin; panel < end; panel++)
      pack_adjacent_lanes<In, P, Form>(from + panel * P, inner_stride, lanes - panel * P, inner, place,
                                       place + step < places ? place + step : places, to + panel * units * P);
  }
}

#ifdef ESPALIER_TILES
/** Inner elements of a block of units. */
constexpr int64_t BLOCK_INNER = 2 * TILE;

/** One block of units of a panel of a, for tiles: unlike above, unit u of lane i goes to to[i * TILE + u]. */
template <class In, class Form>
void pack_tiles(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                uint32_t* to) {
  const int64_t width = inner < BLOCK_INNER ? inner : BLOCK_INNER;
  for (int64_t i = 0; i < In::tile_rows; i += TILE, to += TILE * TILE) {
    const float* corner = from + i * lane_stride;
    const int64_t height = lanes - i < TILE ? lanes - i : TILE;
    Words block[In::parts][TILE];
    for (int64_t j = 0; j < TILE; j++) {
      PackedWords<In::parts> words = {};
      if (inner_stride != 1) {
        const float* even = corner + 2 * j * inner_stride;
        words = In::convert(Form::map(load_up_to(even, 2 * j < width ? height : 0)),
                            Form::map(load_up_to(even + inner_stride, 2 * j + 1 < width ? height : 0)));
      } else if (j < height) {
        const float* row = corner + j * lane_stride;
        words = In::convert_along(Form::map(load_up_to(row, width)), Form::map(load_up_to(row + W, width - W)));
      }
      for (int part = 0; part < In::parts; part++) block[part][j] = words.part[part];
    }
    for (int part = 0; part < In::parts; part++) {
      if (inner_stride != 1) transpose(block[part]);
      for (int64_t lane = 0; lane < TILE; lane++) store(to + part * Tiles::BLOCK + lane * TILE, block[part][lane]);
    }
  }
}

/** Asks for the lines of the block that is packed next in its panel: the processor does not foresee such steps. */
template <class In>
void prefetch_block(const float* from, int64_t lane_stride, int64_t inner_stride) {
  const int64_t stride = inner_stride == 1 ? lane_stride : inner_stride;
  for (int64_t i = 0; i < In::tile_rows; i++)
    for (int64_t j = 0; j < BLOCK_INNER; j += W) ask_for(from + i * stride + j);
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
    static_assert(rows == BLOCK_INNER);
    const int64_t blocks = (inner + BLOCK_INNER - 1) / BLOCK_INNER;
    const auto pack_block = [&](int64_t panel, int64_t block) {
      const float* corner = from + panel * rows * lane_stride + block * BLOCK_INNER * inner_stride;
      if (block + 1 < blocks) prefetch_block<In>(corner + BLOCK_INNER * inner_stride, lane_stride, inner_stride);
      pack_tiles<In, Form>(corner, lane_stride, inner_stride, lanes - panel * rows, inner - block * BLOCK_INNER,
                           to + (panel * blocks + block) * In::parts * Tiles::BLOCK);
    };
    // Memory is read along its rows.
    if (inner_stride == 1) {
      for (int64_t panel = begin; panel < end; panel++)
        for (int64_t block = 0; block < blocks; block++) pack_block(panel, block);
    } else {
      for (int64_t block = 0; block < blocks; block++)
        for (int64_t panel = begin; panel < end; panel++) pack_block(panel, block);
    }
    return;
  }
#endif
  pack_panels<In, In::tile_rows, Form>(from, lane_stride, inner_stride, lanes, inner, begin, end, to);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
