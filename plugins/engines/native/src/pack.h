// Packed operands of a matrix product: InF32, InBf16, pack_left and pack_right.
#pragma once

#include "tiles.h"

#ifdef ESPALIER_TILES
#include "pack_blocks.h"
#else
#include "pack_panels.h"
#endif
