// Common parts of the two ways to pack an operand of a matrix product.
#pragma once

#include <cstdint>

#include "activations.h"
#include "simd.h"

namespace espalier {
namespace ESPALIER_VARIANT {

// How an operand's numbers are packed and multiplied is a type, InF32 or InBf16, of pack_panels.h or, on processors with
// tiles, of pack_blocks.h. A unit is one word of a lane (a row of a, a column of b): `per_unit` inner elements, in one of
// `parts` parts. A lane's units come in steps of `unit_step` for each part. `tile_rows` rows of a are multiplied at once,
// within a Context. `inner_step` inner elements are multiplied in one go: a block of a of some panels then stays in the
// second-level cache while the panels of b pass by. `reads_rows`: where the inner elements of a row of a follow each
// other, they are read as they are, and not packed.

/** Words of one lane. */
template <class In>
constexpr int64_t units_of(int64_t inner) {
  constexpr int64_t step = In::per_unit * In::unit_step;
  return (inner + step - 1) / step * In::unit_step * In::parts;
}

/** Applied to an operand's numbers before packing; must map 0 to 0. */
struct AsTheyAre {
  static Floats map(Floats x) { return x; }
};

template <class Form>
struct Activated {
  static Floats map(Floats x) { return Form::of(x); }
};

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
