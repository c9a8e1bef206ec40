// AMX tile registers: products of bfloat16 pairs, 16 x 16 words at a time.
// With ESPALIER_EMULATE_TILES the same in plain C++, so that code for tiles is tested on any machine.
#pragma once

#include <cstdint>
#include <cstring>

#include "simd.h"

#if defined(__AMX_BF16__) || defined(ESPALIER_EMULATE_TILES)
#define ESPALIER_TILES

namespace espalier {
namespace ESPALIER_VARIANT {

/** Rows of a tile, and words in each: 64 bytes. */
constexpr int TILE = 16;

#ifdef ESPALIER_EMULATE_TILES

class EmulatedTiles {
 public:
  void zero(int to) { std::memset(words_[to], 0, sizeof words_[to]); }

  template <class Word>
  void load(int to, const Word* from, int64_t stride) {
    for (int i = 0; i < TILE; i++) std::memcpy(words_[to][i], from + i * stride, sizeof words_[to][i]);
  }

  void store(int tile, float* to, int64_t stride) const {
    for (int i = 0; i < TILE; i++) std::memcpy(to + i * stride, words_[tile][i], sizeof words_[tile][i]);
  }

  void dot(int c, int a, int b) {
    static_assert(W == TILE);
    for (int i = 0; i < TILE; i++) {
      Floats sums = (Floats)load_words(c, i);
      for (int k = 0; k < TILE; k++) {
        const uint32_t left = words_[a][i][k];
        const Words right = load_words(b, k);
        sums += (Floats)splat_word(left << 16) * (Floats)(right << 16);
        sums += (Floats)splat_word(left & 0xffff0000u) * (Floats)(right & 0xffff0000u);
      }
      espalier::ESPALIER_VARIANT::store(words_[c][i], (Words)sums);
    }
  }

 private:
  Words load_words(int tile, int row) const { return espalier::ESPALIER_VARIANT::load(words_[tile][row]); }

  uint32_t words_[8][TILE][TILE];
};

inline EmulatedTiles& emulated_tiles() {
  static thread_local EmulatedTiles tiles;
  return tiles;
}

#define ESPALIER_TILES_CONFIGURE()
#define ESPALIER_TILES_RELEASE()
#define ESPALIER_TILE_ZERO(tile) emulated_tiles().zero(tile)
#define ESPALIER_TILE_LOAD(tile, from, stride) emulated_tiles().load(tile, from, stride)
#define ESPALIER_TILE_STORE(tile, to, stride) emulated_tiles().store(tile, to, stride)
#define ESPALIER_TILE_DOT(c, a, b) emulated_tiles().dot(c, a, b)

#else

/** Configuration of eight full tiles. Source: Intel's Architectures Optimization Reference Manual, chapter 20. */
struct TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {TILE, TILE, TILE, TILE, TILE, TILE, TILE, TILE};
};

// Static, because the intrinsic tells the compiler only about its first bytes.
alignas(64) static const TileConfig tile_config;

// The intrinsic does not tell the compiler that it reads memory.
#define ESPALIER_TILES_CONFIGURE()      \
  __asm__ volatile("" ::: "memory"); \
  _tile_loadconfig(&tile_config)
#define ESPALIER_TILES_RELEASE() _tile_release()
#define ESPALIER_TILE_ZERO(tile) _tile_zero(tile)
#define ESPALIER_TILE_LOAD(tile, from, stride) _tile_loadd(tile, from, (stride) * sizeof(uint32_t))
#define ESPALIER_TILE_STORE(tile, to, stride) _tile_stored(tile, to, (stride) * sizeof(float))
#define ESPALIER_TILE_DOT(c, a, b) _tile_dpbf16ps(c, a, b)

#endif

/** While it exists, this thread can use tiles. */
class Tiles {
 public:
  Tiles() { ESPALIER_TILES_CONFIGURE(); }
  ~Tiles() { ESPALIER_TILES_RELEASE(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;

  /** Lanes of an operand that are multiplied at a time. */
  static constexpr int64_t LANES = 2 * TILE;
  /** Words of TILE units. */
  static constexpr int64_t BLOCK = TILE * LANES;

 protected:
  // Tiles 0 to 3 are the sums; 4 and 5 lanes of a, 6 and 7 of b.
  /** Starts the sums at the values at `first`, or at 0 if null. */
  static void begin(const float* first, int64_t stride) {
    if (first == nullptr) {
      ESPALIER_TILE_ZERO(0);
      ESPALIER_TILE_ZERO(1);
      ESPALIER_TILE_ZERO(2);
      ESPALIER_TILE_ZERO(3);
    } else {
      ESPALIER_TILE_LOAD(0, first, stride);
      ESPALIER_TILE_LOAD(1, first + TILE, stride);
      ESPALIER_TILE_LOAD(2, first + TILE * stride, stride);
      ESPALIER_TILE_LOAD(3, first + TILE * stride + TILE, stride);
    }
  }
  /** a: for each of the lanes, the words of TILE units. */
  static void load_a(const uint32_t* a) {
    ESPALIER_TILE_LOAD(4, a, TILE);
    ESPALIER_TILE_LOAD(5, a + TILE * TILE, TILE);
  }
  /** b: for each of TILE units, the words of the lanes. */
  static void load_b(const uint32_t* b) {
    ESPALIER_TILE_LOAD(6, b, LANES);
    ESPALIER_TILE_LOAD(7, b + TILE, LANES);
  }
  /**
   * Loads both, in the order in which the previous products release the tiles, so that a load need not wait for the
   * last.
   */
  static void load(const uint32_t* a, const uint32_t* b) {
    ESPALIER_TILE_LOAD(4, a, TILE);
    ESPALIER_TILE_LOAD(6, b, LANES);
    ESPALIER_TILE_LOAD(7, b + TILE, LANES);
    ESPALIER_TILE_LOAD(5, a + TILE * TILE, TILE);
  }
  static void add_products() {
    ESPALIER_TILE_DOT(0, 4, 6);
    ESPALIER_TILE_DOT(1, 4, 7);
    ESPALIER_TILE_DOT(2, 5, 6);
    ESPALIER_TILE_DOT(3, 5, 7);
  }
  static void store_sums(float* to, int64_t stride) {
    ESPALIER_TILE_STORE(0, to, stride);
    ESPALIER_TILE_STORE(1, to + TILE, stride);
    ESPALIER_TILE_STORE(2, to + TILE * stride, stride);
    ESPALIER_TILE_STORE(3, to + TILE * stride + TILE, stride);
  }
};

/** Products of operands in bfloat16. */
struct BfloatTiles : Tiles {
  /** to [LANES, LANES] = first + a * b over `words` words of each lane, in blocks of TILE units; null is 0. */
  static void multiply(int64_t words, const uint32_t* a, const uint32_t* b, const float* first, float* to,
                       int64_t stride) {
    begin(first, stride);
    for (int64_t at = 0; at < words * LANES; at += BLOCK) {
      load(a + at, b + at);
      add_products();
    }
    store_sums(to, stride);
  }
};

/**
 * Products in float32 precision: a number of 24 bits is the sum of three bfloat16 numbers of 8, of which six products
 * are added; the other three are below the last bit. The small ones come first, so that they are not rounded to the
 * last bit of the sum.
 *
 * Source: Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
 * Computations", 2019, section III.
 */
struct ThirdsTiles : Tiles {
  /** As above; each block is followed by that of the middle bits, and that of the last bits. */
  static void multiply(int64_t words, const uint32_t* a, const uint32_t* b, const float* first, float* to,
                       int64_t stride) {
    begin(first, stride);
    for (int64_t at = 0; at < words * LANES; at += 3 * BLOCK) {
      const uint32_t *left = a + at, *right = b + at;
      load(left, right + 2 * BLOCK);
      add_products();
      load_b(right + BLOCK);
      add_products();
      load_a(left + BLOCK);
      add_products();
      load_b(right);
      add_products();
      load_a(left + 2 * BLOCK);
      add_products();
    }
    for (int64_t at = 0; at < words * LANES; at += 3 * BLOCK) {
      load(a + at, b + at);
      add_products();
    }
    store_sums(to, stride);
  }
};

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
#endif
