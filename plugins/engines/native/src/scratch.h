// Working memory that a thread keeps between kernels, so that nothing is allocated after the first step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "aligned_memory.h"

namespace espalier {
namespace ESPALIER_VARIANT {

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { free_aligned(data_); }

  /** Returns at least `count` uncleared elements, aligned to a cache line; invalidates the previous result. */
  template <class T>
  T* get(int64_t count) {
    const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + 127) / 64 * 64;
    if (bytes > bytes_) {
      free_aligned(data_);
      bytes_ = 0;
      data_ = allocate_aligned(64, bytes);
      if (data_ == nullptr) throw std::bad_alloc();
      bytes_ = bytes;
    }
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

/** Carves several arrays out of one piece of scratch memory. */
class Carver {
 public:
  static int64_t padded(int64_t words) { return (words + 15) / 16 * 16 + 32; }

  explicit Carver(void* memory) : next_(static_cast<uint32_t*>(memory)) {}

  template <class T>
  T* take(int64_t words) {
    T* taken = reinterpret_cast<T*>(next_);
    next_ += padded(words);
    return taken;
  }

 private:
  uint32_t* next_;
};

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
