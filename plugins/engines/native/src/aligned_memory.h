// Memory that starts at a multiple of a power of two. Windows has no std::aligned_alloc.
#pragma once

#include <cstdlib>

#ifdef _WIN32
#include <malloc.h>
#endif

namespace espalier {

/** @param bytes a multiple of `alignment`. Returns null if memory is short. */
inline void* allocate_aligned(size_t alignment, size_t bytes) {
#ifdef _WIN32
  return _aligned_malloc(bytes, alignment);
#else
  return std::aligned_alloc(alignment, bytes);
#endif
}

inline void free_aligned(void* memory) {
#ifdef _WIN32
  _aligned_free(memory);
#else
  std::free(memory);
#endif
}

}  // namespace espalier
