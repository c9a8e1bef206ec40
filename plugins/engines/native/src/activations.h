// Activations of vectors, and their derivatives.
#pragma once

#include "exponential.h"
#include "gelu_fit.h"
#include "kernels.h"
#include "simd.h"

namespace espalier {
namespace ESPALIER_VARIANT {

// Each maps 0 to 0, because packed operands are padded with zeros.

struct Gelu {
  static Floats of(Floats x) { return gelu_of(x); }
  static Floats slope(Floats x) { return gelu_slope(x); }
};

/** 1 / (1 + e^-x), and 1 minus that: both with full relative precision, even if tiny. */
struct Logistic {
  Floats value, rest;

  // From 80 on the result would be a denormal number, which is slow on processors.
  explicit Logistic(Floats x) {
    const Floats e = exp_within(at_most(at_least(-x, -80.0f), 80.0f));
    value = reciprocal_of(1.0f + e);
    rest = e * value;
  }
};

/**
 * x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), which is x times the logistic function of twice that argument.
 * Source: Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016, section 2.
 */
struct GeluTanh {
  static constexpr float twice_root = 1.5957691216f, cubic = 0.044715f;

  static Logistic gate(Floats x) { return Logistic(x * (twice_root + twice_root * cubic * (x * x))); }
  static Floats of(Floats x) { return x * gate(x).value; }
  static Floats slope(Floats x) {
    const Logistic g = gate(x);
    const Floats steepness = twice_root + 3.0f * twice_root * cubic * (x * x);
    return g.value + x * g.value * g.rest * steepness;
  }
};

/** x / (1 + e^-x), from the same source. */
struct Silu {
  static Floats of(Floats x) { return x * Logistic(x).value; }
  static Floats slope(Floats x) {
    const Logistic g(x);
    return g.value + x * g.value * g.rest;
  }
};

struct Relu {
  static Floats of(Floats x) { return at_least(x, 0.0f); }
  static Floats slope(Floats x) { return x <= 0.0f ? Floats{} : splat(1.0f); }
};

/** Source: So et al., "Primer: searching for efficient transformers for language modeling", 2021, section 3. */
struct ReluSquared {
  static Floats of(Floats x) {
    const Floats positive = Relu::of(x);
    return positive * positive;
  }
  static Floats slope(Floats x) { return 2.0f * Relu::of(x); }
};

/** Calls work(its type) for any activation except none. */
template <class Work>
inline void with_activation(Activation which, Work&& work) {
  switch (which) {
    case Activation::none:
    case Activation::gelu: return work(Gelu{});
    case Activation::gelu_tanh: return work(GeluTanh{});
    case Activation::silu: return work(Silu{});
    case Activation::relu: return work(Relu{});
    case Activation::relu2: return work(ReluSquared{});
  }
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
