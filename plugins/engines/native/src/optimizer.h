// AdamW over all parameters in one pass, and the sum of squares that clipping needs.
#pragma once

#include <cmath>

#include "kernels.h"
#include "rows.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

inline void adamw_part(const AdamWTensors& t, double weight_decay, const AdamW& how, int64_t begin, int64_t end) {
  const float beta1 = static_cast<float>(how.beta1), rest1 = static_cast<float>(1 - how.beta1);
  const float beta2 = static_cast<float>(how.beta2), rest2 = static_cast<float>(1 - how.beta2);
  const float keep = static_cast<float>(1 - how.learning_rate * weight_decay);
  const float step_size = static_cast<float>(how.learning_rate / (1 - std::pow(how.beta1, how.step)));
  const float deviation_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(how.beta2, how.step)));
  const float epsilon = static_cast<float>(how.epsilon), scale = static_cast<float>(how.gradient_scale);
  each_vector(end - begin, [&](int64_t j, int64_t n) {
    const int64_t i = begin + j;
    const Floats g = load_some(t.gradient + i, n) * scale;
    const Floats mean = beta1 * load_some(t.mean + i, n) + rest1 * g;
    const Floats square = beta2 * load_some(t.square + i, n) + rest2 * g * g;
    store_some(t.new_mean + i, mean, n);
    store_some(t.new_square + i, square, n);
    const Floats change = step_size * mean / (root_of(square) * deviation_scale + epsilon);
    store_some(t.new_parameter + i, keep * load_some(t.parameter + i, n) - change, n);
  });
}

/** Work is divided over the elements of all tensors as if they were one tensor. */
inline void adamw(int64_t count, const AdamWTensors* tensors, const double* weight_decays, const AdamW& how) {
  int64_t total = 0;
  for (int64_t i = 0; i < count; i++) total += tensors[i].size;
  parallel(total, 4, [&](int64_t begin, int64_t end) {
    int64_t before = 0;
    for (int64_t i = 0; i < count && before < end; before += tensors[i++].size) {
      const int64_t from = begin > before ? begin - before : 0;
      const int64_t to = end - before < tensors[i].size ? end - before : tensors[i].size;
      if (from < to) adamw_part(tensors[i], weight_decays[i], how, from, to);
    }
  });
}

inline double sum_of_squares(int64_t size, const float* x) {
  // Groups of elements are summed separately, then in order: the same for any number of threads.
  constexpr int64_t group_size = 8192;
  static thread_local Scratch scratch;
  const int64_t groups = (size + group_size - 1) / group_size;
  float* partial = scratch.get<float>(groups);
  parallel(groups, group_size, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; group++) {
      const float* from = x + group * group_size;
      const int64_t left = size - group * group_size;
      partial[group] = sum_over(left < group_size ? left : group_size, [&](int64_t j, int64_t n) {
        const Floats value = load_some(from + j, n);
        return value * value;
      });
    }
  });
  double sum = 0;
  for (int64_t group = 0; group < groups; group++) sum += partial[group];
  return sum;
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
