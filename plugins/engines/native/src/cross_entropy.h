// Softmax cross-entropy and its gradient, each in one pass over the logits (two if a row exceeds the cache).
#pragma once

#include <cmath>

#include "exponential.h"
#include "kernels.h"
#include "rows.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

inline int64_t count_targets(int64_t rows, const int32_t* targets) {
  int64_t count = 0;
  for (int64_t i = 0; i < rows; i++) count += targets[i] >= 0;
  return count > 0 ? count : 1;
}

inline float log_sum_of_exponentials(const float* row, int64_t classes) {
  Floats most = splat(row[0]);
  each_vector(classes, [&](int64_t j, int64_t n) {
    most = larger(first_lanes(load_some(row + j, n), n, most), most);
  });
  const float largest = max_of(most);
  const float sum =
      sum_over(classes, [&](int64_t j, int64_t n) { return exp_of(load_some(row + j, n) - largest); });
  return largest + std::log(sum);
}

inline float cross_entropy(int64_t rows, int64_t classes, const float* logits, const int32_t* targets,
                           float* log_sum) {
  parallel(rows, classes * 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) log_sum[i] = log_sum_of_exponentials(logits + i * classes, classes);
  });
  double total = 0;
  for (int64_t i = 0; i < rows; i++)
    if (targets[i] >= 0) total += static_cast<double>(log_sum[i]) - logits[i * classes + targets[i]];
  return static_cast<float>(total / static_cast<double>(count_targets(rows, targets)));
}

/** The softmax of a row times `share`, minus `of_target` at its target. */
inline void row_gradient(int64_t classes, const float* from, float log_sum, float share, int32_t target,
                         float of_target, float* to) {
  each_vector(classes, [&](int64_t j, int64_t n) {
    store_some(to + j, exp_of(load_some(from + j, n) - log_sum) * share, n);
  });
  if (target >= 0) to[target] -= of_target;
}

inline void cross_entropy_gradient(int64_t rows, int64_t classes, float dy, const float* logits,
                                   const int32_t* targets, const float* log_sum, float* gradient) {
  const float share = dy / static_cast<float>(count_targets(rows, targets));
  parallel(rows, classes * 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      float* to = gradient + i * classes;
      if (targets[i] < 0)
        std::memset(to, 0, sizeof(float) * classes);
      else
        row_gradient(classes, logits + i * classes, log_sum[i], share, targets[i], share, to);
    }
  });
}

inline void token_cross_entropy(int64_t rows, int64_t classes, const float* logits, const int32_t* targets,
                                float* losses, float* log_sum) {
  parallel(rows, classes * 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const float* row = logits + i * classes;
      log_sum[i] = log_sum_of_exponentials(row, classes);
      losses[i] = targets[i] < 0 ? 0.0f : log_sum[i] - row[targets[i]];
    }
  });
}

inline void token_cross_entropy_gradient(int64_t rows, int64_t classes, const float* dlosses, const float* dlog_sum,
                                         const float* logits, const int32_t* targets, const float* log_sum,
                                         float* gradient) {
  parallel(rows, classes * 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const float of_target = targets[i] < 0 ? 0.0f : dlosses[i];
      float* to = gradient + i * classes;
      if (of_target == 0.0f && dlog_sum[i] == 0.0f)
        std::memset(to, 0, sizeof(float) * classes);
      else
        row_gradient(classes, logits + i * classes, log_sum[i], of_target + dlog_sum[i], targets[i], of_target, to);
    }
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
