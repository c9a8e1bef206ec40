// Which instruction sets this processor has and the system supports. `__builtin_cpu_supports` needs a part of the
// compiler's runtime library that not every toolchain has.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>

namespace espalier {

struct Processor {
  bool avx2, avx512, avx512bf16, tiles;
};

/** Reads cpuid (Intel's manual, volume 2A) and the state that the system saves for each thread (XCR0). */
inline Processor processor() {
  constexpr uint32_t fma = 1u << 12, saves_state = 1u << 27;                              // leaf 1, ecx
  constexpr uint32_t avx2 = 1u << 5, avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // leaf 7, ebx: F, DQ, BW, VL
  constexpr uint32_t tile = 1u << 22 | 1u << 24;                                          // leaf 7, edx: bf16 and tiles
  constexpr uint32_t bf16 = 1u << 5;                                                      // leaf 7.1, eax
  constexpr uint32_t ymm = 3u << 1, zmm = 7u << 5 | ymm, tiles = 3u << 17;                // XCR0
  const auto has = [](uint32_t bits, uint32_t all) { return (bits & all) == all; };

  Processor found = {};
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, fma | saves_state)) return found;
  uint32_t state, high;
  __asm__("xgetbv" : "=a"(state), "=d"(high) : "c"(0));
  if (!has(state, ymm) || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
#ifdef __APPLE__
  state |= zmm;  // macOS adds it when a thread first uses it
#endif
  found.avx2 = has(b, avx2);
  found.avx512 = found.avx2 && has(b, avx512) && has(state, zmm);
  const bool has_tiles = has(d, tile) && has(state, tiles);
  found.avx512bf16 = found.avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, bf16);
  found.tiles = found.avx512bf16 && has_tiles;
  return found;
}

}  // namespace espalier
#endif
