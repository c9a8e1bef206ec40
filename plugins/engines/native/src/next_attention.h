// Attention of one new position to itself and to those before, with a key/value cache.
#pragma once

#include <cmath>
#include <cstring>

#include "exponential.h"
#include "kernels.h"
#include "rows.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** One head of one text: its part of y. `keys` and `values` [time, width] start at the head's part. */
inline void attend_next(const float* query, const float* keys, const float* values, int64_t time, int64_t width,
                        int64_t part, float* scores, float* y) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(part));
  for (int64_t s = 0; s < time; s++) {
    const float* key = keys + s * width;
    scores[s] = scale * sum_over(part, [&](int64_t j, int64_t n) { return load_some(query + j, n) * load_some(key + j, n); });
  }
  float largest = scores[0];
  for (int64_t s = 1; s < time; s++) largest = scores[s] > largest ? scores[s] : largest;
  const float sum = sum_over(time, [&](int64_t s, int64_t n) {
    const Floats e = exp_of(load_some(scores + s, n) - largest);
    store_some(scores + s, e, n);
    return e;
  });
  std::memset(y, 0, sizeof(float) * part);
  for (int64_t s = 0; s < time; s++) {
    const float* value = values + s * width;
    each_vector(part, [&](int64_t j, int64_t n) {
      store_some(y + j, load_some(y + j, n) + scores[s] * load_some(value + j, n), n);
    });
  }
  each_vector(part, [&](int64_t j, int64_t n) { store_some(y + j, load_some(y + j, n) * (1.0f / sum), n); });
}

inline void next_attention(const NextAttention& a) {
  const int64_t queries = a.heads.queries, part = a.heads.part, group = queries / a.heads.keys;
  const int64_t row = a.heads.width(), width = a.heads.keys * part, time = a.position + 1;
  for (int64_t text = 0; text < a.texts; text++) {
    const float* key = a.qkv + text * row + queries * part;
    const int64_t at = (text * a.capacity + a.position) * width;
    std::memcpy(a.keys + at, key, sizeof(float) * width);
    std::memcpy(a.values + at, key + width, sizeof(float) * width);
  }
  parallel(a.texts * queries, 4 * time * part, [&](int64_t begin, int64_t end) {
    static thread_local Scratch scratch;
    float* scores = scratch.get<float>(time + W);
    for (int64_t i = begin; i < end; i++) {
      const int64_t text = i / queries, head = i % queries;
      const int64_t kept = text * a.capacity * width + head / group * part;
      attend_next(a.qkv + text * row + head * part, a.keys + kept, a.values + kept, time, width, part, scores,
                  a.y + i * part);
    }
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
