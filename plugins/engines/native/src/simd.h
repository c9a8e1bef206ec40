// Vectors of the instruction set that this file is compiled for: the one place where the variants differ.
//
// Written with the vector extensions of GCC and Clang, so that one source gives AVX-512, AVX2, NEON and
// portable code. Everything here and in the kernel families lives in an inline namespace per variant, since
// variant.cc is compiled once for each.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef ESPALIER_VARIANT
#error "compile with -DESPALIER_VARIANT=name"
#endif

namespace espalier {
namespace ESPALIER_VARIANT {

// W: floats in a vector. MR x NR: the tile of a matrix product that is kept in registers.
#if defined(__AVX512F__) || defined(ESPALIER_EMULATE_TILES)
constexpr int W = 16, MR = 14;
#elif defined(__AVX2__)
constexpr int W = 8, MR = 6;
#elif defined(__aarch64__)
constexpr int W = 4, MR = 12;
#else
constexpr int W = 4, MR = 4;
#endif
constexpr int NV = 2, NR = NV * W;

typedef float Floats __attribute__((vector_size(W * 4)));
typedef int32_t Ints __attribute__((vector_size(W * 4)));
typedef uint32_t Words __attribute__((vector_size(W * 4)));

inline Floats load(const float* p) {
  Floats v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline Words load(const uint32_t* p) {
  Words v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/** Prefetches the line at p, for reading or writing. */
inline void ask_for(const float* p) {
  __builtin_prefetch(p);
  __asm__ volatile("");  // GCC takes a loop of prefetches alone for empty, and leaves it out
}

inline void store(float* p, Floats v) { std::memcpy(p, &v, sizeof v); }
inline void store(uint32_t* p, Words v) { std::memcpy(p, &v, sizeof v); }

inline Floats splat(float x) { return x - Floats{}; }
inline Words splat_word(uint32_t x) { return x + Words{}; }

#if defined(__AVX2__) && !defined(__AVX512F__)
/** A mask of the first n lanes. */
inline Ints first_lanes_mask(int64_t n) { return Ints{0, 1, 2, 3, 4, 5, 6, 7} < (static_cast<int32_t>(n) + Ints{}); }
#endif

/** The first n < W floats; the others are 0. */
inline Floats load_part(const float* p, int64_t n) {
#if defined(__AVX512F__)
  return (Floats)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
  return (Floats)_mm256_maskload_ps(p, (__m256i)first_lanes_mask(n));
#else
  float buffer[W] = {};
  for (int64_t i = 0; i < n; i++) buffer[i] = p[i];
  return load(buffer);
#endif
}

/** Loads the first n floats, at most a whole vector; the other lanes are 0. */
inline Floats load_up_to(const float* p, int64_t n) {
  if (n >= W) return load(p);
  return n > 0 ? load_part(p, n) : Floats{};
}

inline void store_part(float* p, Floats v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
  // By halves, because a masked store takes tens of cycles on AMD's processors.
  __m128 rest = _mm256_castps256_ps128((__m256)v);
  if (n & 4) {
    _mm_storeu_ps(p, rest);
    rest = _mm256_extractf128_ps((__m256)v, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), rest);
    rest = _mm_movehl_ps(rest, rest);
    p += 2;
  }
  if (n & 1) std::memcpy(p, &rest, sizeof *p);
#else
  float buffer[W];
  store(buffer, v);
  for (int64_t i = 0; i < n; i++) p[i] = buffer[i];
#endif
}

/** Stores the first n > 0 words, at most a whole vector. */
inline void store_up_to(uint32_t* p, Words v, int64_t n) {
  if (n >= W) store(p, v);
#if defined(__AVX512F__) || defined(__AVX2__)
  else store_part(reinterpret_cast<float*>(p), (Floats)v, n);
#else
  else std::memcpy(p, &v, n * sizeof(uint32_t));
#endif
}

// Comparisons with NaN are false, so this order of the arms passes NaN through.
inline Floats at_least(Floats x, float low) {
#if defined(__AVX512F__)
  return (Floats)_mm512_max_ps((__m512)splat(low), (__m512)x);
#elif defined(__AVX2__)
  return (Floats)_mm256_max_ps((__m256)splat(low), (__m256)x);
#else
  return x < low ? splat(low) : x;
#endif
}

inline Floats at_most(Floats x, float high) {
#if defined(__AVX512F__)
  return (Floats)_mm512_min_ps((__m512)splat(high), (__m512)x);
#elif defined(__AVX2__)
  return (Floats)_mm256_min_ps((__m256)splat(high), (__m256)x);
#else
  return x > high ? splat(high) : x;
#endif
}

inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }

/** The first n lanes of v, and the other lanes of `rest`. */
inline Floats first_lanes(Floats v, int64_t n, Floats rest) {
#if defined(__AVX512F__)
  return n >= W ? v : (Floats)_mm512_mask_mov_ps((__m512)rest, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
  return (Floats)_mm256_blendv_ps((__m256)rest, (__m256)v, (__m256)first_lanes_mask(n));
#else
  for (int64_t i = n; i < W; i++) v[i] = rest[i];
  return v;
#endif
}

/** 1 / x within 2 units in the last place; x is finite. */
inline Floats reciprocal_of(Floats x) {
#if defined(__AVX512F__)
  const Floats near = (Floats)_mm512_rcp14_ps((__m512)x);
  return near + near * (1.0f - x * near);
#elif defined(__AVX2__)
  const Floats near = (Floats)_mm256_rcp_ps((__m256)x);
  return near + near * (1.0f - x * near);
#else
  return 1.0f / x;
#endif
}

inline Floats root_of(Floats v) {
#if defined(__AVX512F__)
  return (Floats)_mm512_sqrt_ps((__m512)v);
#elif defined(__AVX2__)
  return (Floats)_mm256_sqrt_ps((__m256)v);
#else
  for (int i = 0; i < W; i++) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

template <int... I>
struct Indices {};

template <int N, int... I>
struct MakeIndices : MakeIndices<N - 1, N - 1, I...> {};

template <int... I>
struct MakeIndices<0, I...> {
  typedef Indices<I...> Type;
};

/** The given lanes of a and b concatenated; `Numbers` is an integer vector of the same width. */
template <class Numbers, int... I, class Vector>
inline Vector lanes_of(Vector a, Vector b) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, I...);
#else
  return __builtin_shuffle(a, b, Numbers{I...});
#endif
}

template <int Half, int... I>
inline Floats halves_swapped(Floats v, Indices<I...>) {
  return lanes_of<Ints, (I ^ Half)...>(v, v);
}

/** Combines lane i with lane i + half until one is left: a fixed order. */
template <int Half = W / 2, class Join>
inline float joined(Floats v, Join&& join) {
  const Floats next = join(v, halves_swapped<Half>(v, typename MakeIndices<W>::Type{}));
  if constexpr (Half > 1) return joined<Half / 2>(next, join);
  else return next[0];
}

inline float sum_of(Floats v) {
  return joined(v, [](Floats a, Floats b) { return a + b; });
}

inline float max_of(Floats v) { return joined(v, larger); }

// Packed matrix operands are 32-bit words: one float32, or two bfloat16 of the same lane, with the first along the
// inner dimension in the low half.

#if defined(__AVX512BF16__)
typedef uint16_t Shorts __attribute__((vector_size(W * 4)));

template <int... I>
inline Words halves_interleaved(Words v, Indices<I...>) {
  return (Words)lanes_of<Shorts, (I / 2 + I % 2 * W)...>((Shorts)v, (Shorts)v);
}
#endif

/** Two vectors of floats, interleaved (a0 b0 a1 b1 ...), each rounded to the nearest bfloat16. */
inline Words to_bfloat_pairs(Floats low, Floats high) {
#if defined(__AVX512BF16__)
  const Words apart = (Words)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
  return halves_interleaved(apart, typename MakeIndices<2 * W>::Type{});
#else
  const auto round = [](Floats x) {
    const Words bits = (Words)x;
    const Words rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    return (Words)(x != x) ? (bits | 0x400000u) : rounded;  // rounding up could carry a NaN to infinity
  };
  return (round(low) >> 16) | (round(high) & 0xffff0000u);
#endif
}

/** The nearest bfloat16 number, as a float. */
inline Floats near_bfloat(Floats x) { return (Floats)(((Words)x + 0x8000u) & 0xffff0000u); }

/** Two vectors of numbers that bfloat16 can represent, interleaved as above. */
inline Words bfloat_words(Floats low, Floats high) { return (Words)low >> 16 | (Words)high; }

/** c + the product of f32 words. */
inline Floats multiply_add_f32(Floats c, Words a, Words b) { return c + (Floats)a * (Floats)b; }

/** c + both products of the bfloat16 pairs, summed in f32. */
inline Floats multiply_add_bf16(Floats c, Words a, Words b) {
#if defined(__AVX512BF16__)
  return (Floats)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
#else
  c = c + (Floats)(a << 16) * (Floats)(b << 16);
  return c + (Floats)(a & 0xffff0000u) * (Floats)(b & 0xffff0000u);
#endif
}

template <int... I>
inline Words interleave_low(Words a, Words b, Indices<I...>) {
  return lanes_of<Ints, (I / 2 + (I % 2) * W)...>(a, b);
}

template <int... I>
inline Words interleave_high(Words a, Words b, Indices<I...>) {
  return lanes_of<Ints, (W / 2 + I / 2 + (I % 2) * W)...>(a, b);
}

template <int... I>
inline Words pairs_along(Floats low, Floats high, Indices<I...>) {
#if defined(__AVX512BF16__)
  return (Words)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
#else
  return to_bfloat_pairs(lanes_of<Ints, (2 * I)...>(low, high), lanes_of<Ints, (2 * I + 1)...>(low, high));
#endif
}

/** 2 W adjacent floats as W pairs of bfloat16. */
inline Words pairs_along(Floats low, Floats high) { return pairs_along(low, high, typename MakeIndices<W>::Type{}); }

/** Transposes W vectors of W words, in log2(W) rounds of perfect shuffles. */
inline void transpose(Words (&rows)[W]) {
  const typename MakeIndices<W>::Type lanes{};
  for (int round = 1; round < W; round *= 2) {
    Words next[W];
    for (int i = 0; i < W / 2; i++) {
      next[2 * i] = interleave_low(rows[i], rows[i + W / 2], lanes);
      next[2 * i + 1] = interleave_high(rows[i], rows[i + W / 2], lanes);
    }
    for (int i = 0; i < W; i++) rows[i] = next[i];
  }
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
