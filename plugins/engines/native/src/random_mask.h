// Dropout masks: a function of an element's index and two keys, the same on every engine (plugins/ops/operations/dropout.ts).
#pragma once

#include "kernels.h"
#include "simd.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

// Source: "lowbias32" of https://github.com/skeeto/hash-prospector (constants of 2022).
inline Words mix(Words h) {
  h = (h ^ (h >> 16)) * 0x21f0aaadu;
  h = (h ^ (h >> 15)) * 0x735a2d97u;
  return h ^ (h >> 15);
}

class DropoutFactors {
 public:
  explicit DropoutFactors(const Dropout& dropout)
      : active_(dropout.rate > 0),
        threshold_(static_cast<uint64_t>(dropout.rate * 4294967296.0)),
        fraction_(dropout.rate * 4294967296.0 > static_cast<double>(threshold_)),
        kept_(static_cast<float>(1 / (1 - dropout.rate))),
        key0_(dropout.key0),
        key1_(dropout.key1),
        first_(static_cast<uint64_t>(dropout.first)) {}

  bool active() const { return active_; }

  /** Returns the factors of W elements from `index` on: 0, or 1 / (1 - rate). */
  Floats at(int64_t index) const {
    Words lanes;
    for (int i = 0; i < W; i++) lanes[i] = static_cast<uint32_t>(i);
    const uint64_t whole = first_ + static_cast<uint64_t>(index);
    const uint32_t low = static_cast<uint32_t>(whole), high = static_cast<uint32_t>(whole >> 32);
    const Words indices = lanes + low;
    // If the lower half wraps around within the vector, the comparison gives -1, which increments the upper half.
    const Words upper = splat_word(high) - (Words)(indices < low);
    const Words hash = mix(mix(indices ^ key0_) + key1_ + upper);
    // hash < rate * 2^32, whose integer part is the threshold.
    const auto dropped = fraction_ ? hash <= static_cast<uint32_t>(threshold_) : hash < static_cast<uint32_t>(threshold_);
    return dropped ? Floats{} : splat(kept_);
  }

 private:
  bool active_;
  uint64_t threshold_;
  bool fraction_;
  float kept_;
  uint32_t key0_, key1_;
  uint64_t first_;
};

inline void dropout(int64_t size, const float* x, const Dropout& how, float* y) {
  const DropoutFactors factors(how);
  const int64_t vectors = (size + W - 1) / W;
  parallel(vectors, W * 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * W; i < end * W; i += W) {
      if (size - i >= W) store(y + i, load(x + i) * factors.at(i));
      else store_part(y + i, load_part(x + i, size - i) * factors.at(i), size - i);
    }
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
