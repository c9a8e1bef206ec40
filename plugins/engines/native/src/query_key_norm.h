// RMS norm of each head's queries and keys, with values copied: one pass over memory in each direction.
#pragma once

#include "rms_norm.h"

namespace espalier {
namespace ESPALIER_VARIANT {

inline void query_key_norm(int64_t rows, Heads heads, const float* qkv, const float* query_weight,
                           const float* key_weight, double epsilon, float* y) {
  const int64_t width = heads.width(), part = heads.part, normed = heads.queries + heads.keys;
  parallel(rows, width * 2, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const float* from = qkv + row * width;
      float* to = y + row * width;
      for (int64_t head = 0; head < normed; head++) {
        const float* weight = head < heads.queries ? query_weight : key_weight;
        rms_norm_row(part, from + head * part, weight, epsilon, to + head * part);
      }
      std::memcpy(to + normed * part, from + normed * part, sizeof(float) * heads.keys * part);
    }
  });
}

inline void query_key_norm_gradient(int64_t rows, Heads heads, const float* dy, const float* qkv,
                                    const float* query_weight, const float* key_weight, double epsilon, float* dqkv,
                                    float* dquery_weight, float* dkey_weight) {
  const int64_t width = heads.width(), part = heads.part, normed = heads.queries + heads.keys;
  static thread_local Scratch scratch;
  float* both = scratch.get<float>(2 * part);
  with_sums_of_rows(rows, 2 * part, width * 4, both, [&](int64_t row, float* sums) {
    const int64_t at = row * width, values = at + normed * part;
    for (int64_t head = 0; head < normed; head++) {
      const bool is_query = head < heads.queries;
      const int64_t first = at + head * part;
      rms_norm_row_gradient(part, dy + first, qkv + first, is_query ? query_weight : key_weight, epsilon, dqkv + first,
                            is_query ? sums : sums + part);
    }
    std::memcpy(dqkv + values, dy + values, sizeof(float) * heads.keys * part);
  });
  std::memcpy(dquery_weight, both, sizeof(float) * part);
  std::memcpy(dkey_weight, both + part, sizeof(float) * part);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
