// Activations of whole tensors, and their gradients.
#pragma once

#include "activations.h"
#include "kernels.h"
#include "rows.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** Calls body(j, n) for every vector of 0 ... size - 1, on all threads. */
template <class Body>
inline void each_vector_of(int64_t size, Body&& body) {
  constexpr int64_t work = W * 16;
  parallel((size + W - 1) / W, work, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * W, last = end * W < size ? end * W : size;
    each_vector(last - first, [&](int64_t j, int64_t n) { body(first + j, n); });
  });
}

inline void activation(Activation which, int64_t size, const float* x, float* y) {
  with_activation(which, [&](auto form) {
    each_vector_of(size, [&](int64_t j, int64_t n) { store_some(y + j, form.of(load_some(x + j, n)), n); });
  });
}

inline void activation_gradient(Activation which, int64_t size, const float* dy, const float* x, float* dx) {
  with_activation(which, [&](auto form) {
    each_vector_of(size, [&](int64_t j, int64_t n) {
      store_some(dx + j, load_some(dy + j, n) * form.slope(load_some(x + j, n)), n);
    });
  });
}

inline void gated(Activation which, int64_t size, const float* gate, const float* up, float* y) {
  with_activation(which, [&](auto form) {
    each_vector_of(size, [&](int64_t j, int64_t n) {
      store_some(y + j, form.of(load_some(gate + j, n)) * load_some(up + j, n), n);
    });
  });
}

inline void gated_gradient(Activation which, int64_t size, const float* dy, const float* gate, const float* up,
                           float* dgate, float* dup) {
  with_activation(which, [&](auto form) {
    each_vector_of(size, [&](int64_t j, int64_t n) {
      const Floats gradient = load_some(dy + j, n), x = load_some(gate + j, n);
      store_some(dgate + j, gradient * load_some(up + j, n) * form.slope(x), n);
      store_some(dup + j, gradient * form.of(x), n);
    });
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
