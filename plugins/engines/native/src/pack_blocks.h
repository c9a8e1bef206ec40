// Packed operands of a matrix product on tiles: panels of 2 TILE rows (or columns), in blocks of 2 TILE inner elements.
#pragma once

#include "operand.h"
#include "tiles.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** The words of W lanes (or units); `Parts` blocks of the same inner elements follow each other. */
template <int Parts>
struct PackedWords {
  Words part[Parts];
};

struct InBlocks {
  static constexpr int per_unit = 2, unit_step = TILE, tile_rows = 2 * TILE;
  static constexpr bool reads_rows = false;
};

// Unit u of a block holds inner elements u and u + TILE, so that the two converted vectors need no shuffle.

struct InBf16 : InBlocks {
  typedef BfloatTiles Context;
  static constexpr int parts = 1, inner_step = 1024;
  static PackedWords<1> convert(Floats low, Floats high) { return {{to_bfloat_pairs(low, high)}}; }
};

/** Float32 precision on tiles: see ThirdsTiles. An infinite operand, or one beyond 3.39e38, gives NaN. */
struct InF32 : InBlocks {
  typedef ThirdsTiles Context;
  static constexpr int parts = 3, inner_step = 384;
  static PackedWords<3> convert(Floats low, Floats high) {
    const Floats first[2] = {near_bfloat(low), near_bfloat(high)};
    const Floats rest[2] = {low - first[0], high - first[1]};
    const Floats middle[2] = {near_bfloat(rest[0]), near_bfloat(rest[1])};
    return {{bfloat_words(first[0], first[1]), bfloat_words(middle[0], middle[1]),
             bfloat_words(rest[0] - middle[0], rest[1] - middle[1])}};
  }
};

/** Inner elements of a block. */
constexpr int64_t BLOCK_INNER = 2 * TILE;

/** An operand's layout: lane i, inner element k is at from[i * lane_stride + k * inner_stride]. */
struct Elements {
  const float* from;
  int64_t lane_stride, inner_stride;  // one of them is 1
  int64_t lanes, inner;               // what lies beyond is 0

  bool is_along_inner() const { return inner_stride == 1; }

  Elements at(int64_t lane, int64_t k) const {
    return {from + lane * lane_stride + k * inner_stride, lane_stride, inner_stride, lanes - lane, inner - k};
  }

  /** What follows each other in memory: of lane `row`, or of inner element `row`. */
  template <bool Whole>
  Floats load_row(int64_t row) const {
    const float* const start = from + row * (is_along_inner() ? lane_stride : inner_stride);
    if constexpr (Whole) return load(start);
    if (is_along_inner()) return load_up_to(start, row < lanes ? inner : 0);
    return load_up_to(start, row < inner ? lanes : 0);
  }
};

/** Left: a vector of a block's words is a lane's, for tiles of a. Right: a unit's, for tiles of b. */
enum class Side { left, right };

/** Packs half of the lanes of one block to `to`, in the block of the first part. */
template <class In, class Form, Side side, bool Whole>
void pack_half(Elements elements, uint32_t* to) {
  const Elements above = elements.at(0, TILE);
  const auto store_words = [&](int64_t row, Floats low, Floats high) {
    const auto words = In::convert(Form::map(low), Form::map(high));
    uint32_t* const place = to + row * (side == Side::left ? TILE : Tiles::LANES);
    for (int part = 0; part < In::parts; part++) store(place + part * Tiles::BLOCK, words.part[part]);
  };
  if (elements.is_along_inner() == (side == Side::left)) {
    for (int64_t row = 0; row < TILE; row++)
      store_words(row, elements.load_row<Whole>(row), above.load_row<Whole>(row));
    return;
  }
  Words low[TILE], high[TILE];
  for (int64_t row = 0; row < TILE; row++) low[row] = (Words)elements.load_row<Whole>(row);
  transpose(low);
  for (int64_t row = 0; row < TILE; row++) high[row] = (Words)above.load_row<Whole>(row);
  transpose(high);
  for (int64_t row = 0; row < TILE; row++) store_words(row, (Floats)low[row], (Floats)high[row]);
}

template <class In, class Form, Side side>
void pack_block(Elements block, uint32_t* to) {
  const bool whole = block.lanes >= Tiles::LANES && block.inner >= BLOCK_INNER;
  for (int half = 0; half < 2; half++, to += side == Side::left ? TILE * TILE : TILE) {
    if (whole) pack_half<In, Form, side, true>(block.at(half * TILE, 0), to);
    else pack_half<In, Form, side, false>(block.at(half * TILE, 0), to);
  }
}

/** Prefetches the lines of a block, because the processor does not predict such strides. */
inline void prefetch_block(Elements block) {
  const int64_t stride = block.is_along_inner() ? block.lane_stride : block.inner_stride;
  for (int64_t i = 0; i < Tiles::LANES; i++)
    for (int64_t j = 0; j < BLOCK_INNER; j += W) ask_for(block.from + i * stride + j);
}

/** Packs panels [begin, end) of an operand, one after the other. */
template <class In, class Form, Side side>
void pack_blocks(Elements operand, int64_t begin, int64_t end, uint32_t* to) {
  const int64_t blocks = (operand.inner + BLOCK_INNER - 1) / BLOCK_INNER;
  const auto pack = [&](int64_t panel, int64_t block) {
    const Elements here = operand.at(panel * Tiles::LANES, block * BLOCK_INNER);
    if (block + 1 < blocks) prefetch_block(here.at(0, BLOCK_INNER));
    pack_block<In, Form, side>(here, to + (panel * blocks + block) * In::parts * Tiles::BLOCK);
  };
  // Read memory along its rows.
  if (operand.is_along_inner()) {
    for (int64_t panel = begin; panel < end; panel++)
      for (int64_t block = 0; block < blocks; block++) pack(panel, block);
  } else {
    for (int64_t block = 0; block < blocks; block++)
      for (int64_t panel = begin; panel < end; panel++) pack(panel, block);
  }
}

/** Packs panels [begin, end) of b, lanes being its columns. */
template <class In>
void pack_right(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                int64_t begin, int64_t end, uint32_t* to) {
  pack_blocks<In, AsTheyAre, Side::right>({from, lane_stride, inner_stride, lanes, inner}, begin, end, to);
}

/** Packs panels [begin, end) of a, lanes being its rows. */
template <class In, class Form = AsTheyAre>
void pack_left(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
               int64_t begin, int64_t end, uint32_t* to) {
  pack_blocks<In, Form, Side::left>({from, lane_stride, inner_stride, lanes, inner}, begin, end, to);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
