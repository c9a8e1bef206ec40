// Each elementwise operation over a block of elements; single calls and chains use the same code.
#pragma once

#include "elementwise_codes.h"
#include "elementwise_math.h"
#include "rows.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** Writes n elements to y, which may be an operand. */
typedef void (*ElementwiseOp)(int64_t n, const float* a, const float* b, const float* c, float p, float q, float* y);

template <class Of>
inline void map_one(int64_t n, const float* a, float* y, Of&& of) {
  each_vector(n, [&](int64_t j, int64_t count) { store_some(y + j, of(load_some(a + j, count)), count); });
}

template <class Of>
inline void map_two(int64_t n, const float* a, const float* b, float* y, Of&& of) {
  each_vector(n, [&](int64_t j, int64_t count) {
    store_some(y + j, of(load_some(a + j, count), load_some(b + j, count)), count);
  });
}

template <class Of>
inline void map_ints(int64_t n, const float* a, const float* b, float* y, Of&& of) {
  map_two(n, a, b, y, [&](Floats x, Floats z) { return (Floats)of((Ints)x, (Ints)z); });
}

/** Element by element, for functions without a vector instruction or in double precision. */
template <class Of>
inline void map_each(int64_t n, const float* a, const float* b, float* y, Of&& of) {
  for (int64_t i = 0; i < n; i++) y[i] = of(a[i], b[i]);
}

template <int Quarter>
inline void map_circular(int64_t n, const float* a, float* y) {
  constexpr float most = 1e6f;
  float far[1024];
  for (int64_t start = 0; start < n; start += 1024) {
    const int64_t count = n - start < 1024 ? n - start : 1024;
    bool has_far = false;
    for (int64_t i = 0; i < count; i++) has_far |= !(std::fabs(a[start + i]) < most);
    if (has_far) std::memcpy(far, a + start, sizeof(float) * count);
    for (int64_t i = 0; i < count; i++) {
      const float x = a[start + i];
      y[start + i] = circular<Quarter>(std::fabs(x) < most ? x : 0.0f);
    }
    if (!has_far) continue;
    for (int64_t i = 0; i < count; i++) {
      const double x = far[i];
      if (!(std::fabs(far[i]) < most)) y[start + i] = static_cast<float>(Quarter == 0 ? std::sin(x) : std::cos(x));
    }
  }
}

/** Squares and cubes are computed as products, whatever else is in the block. */
inline float plain_power(float base, float exponent) {
  if (exponent == 2) return base * base;
  if (exponent == 3) return static_cast<float>(static_cast<double>(base) * base * base);
  return power_of(base, exponent);
}

inline void map_power(int64_t n, const float* a, const float* b, float* y) {
  const float exponent = n > 0 ? b[0] : 0;
  bool is_one = exponent == 2 || exponent == 3;
  for (int64_t i = 1; i < n && is_one; i++) is_one = b[i] == exponent;
  if (!is_one) return map_each(n, a, b, y, plain_power);
  if (exponent == 2) return map_one(n, a, y, [](Floats x) { return x * x; });
  for (int64_t i = 0; i < n; i++) y[i] = static_cast<float>(static_cast<double>(a[i]) * a[i] * a[i]);
}

inline Floats larger_of(Floats a, Floats b) {
  const Floats y = a > b ? a : b;
  const Floats same = a == b ? (Floats)((Words)a & (Words)b) : y;  // 0 is more than -0
  return a != a ? a : same;
}

inline Floats smaller_of(Floats a, Floats b) {
  const Floats y = a < b ? a : b;
  const Floats same = a == b ? (Floats)((Words)a | (Words)b) : y;
  return a != a ? a : same;
}

inline Floats relu_of(Floats x) { return at_least(x, 0.0f) + 0.0f; }

constexpr float SELU_SCALE = 1.0507009873554804934193349852946f;
constexpr float SELU_SCALE_ALPHA = 1.7580993408473768599402175208123f;

inline float remainder_of(float a, float b) {
  const double rest = std::fmod(static_cast<double>(a), static_cast<double>(b));
  const bool same_sides = (a < 0 && b < 0) || (a >= 0 && b >= 0);
  return static_cast<float>(same_sides ? rest : std::fmod(rest + b, static_cast<double>(b)));
}

/** Converts a number to 32 bits as JavaScript does: truncated, modulo 2^32; 0 if not finite. */
inline int32_t integer_of(double x) {
  if (std::fabs(x) < 2147483648.0) return static_cast<int32_t>(x);
  if (!std::isfinite(x)) return 0;
  const double whole = std::fmod(x, 4294967296.0);
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(whole)));
}

inline float word_of(int32_t value) {
  float word;
  std::memcpy(&word, &value, sizeof word);
  return word;
}

inline int32_t integer_in(float word) {
  int32_t value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

/** Returns an integer, as in TensorFlow.js. */
inline float floored_quotient(double a, double b) { return word_of(integer_of(__builtin_floor(a / b))); }

/** Has the sign of b, as in TensorFlow.js; 0 if b is 0. */
inline float floored_remainder(int64_t a, int64_t b) {
  const int64_t rest = b == 0 ? 0 : a % b;
  return word_of(static_cast<int32_t>(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest));
}

#define ESPALIER_OP(name) inline void op_##name([[maybe_unused]] int64_t n, [[maybe_unused]] const float* a, \
    [[maybe_unused]] const float* b, [[maybe_unused]] const float* c, [[maybe_unused]] float p,              \
    [[maybe_unused]] float q, [[maybe_unused]] float* y)
#define ESPALIER_ONE(name, expression) ESPALIER_OP(name) { map_one(n, a, y, [&](Floats x) { return expression; }); }
#define ESPALIER_TWO(name, expression) \
  ESPALIER_OP(name) { map_two(n, a, b, y, [&](Floats x, Floats z) { return expression; }); }
#define ESPALIER_INTS(name, expression) \
  ESPALIER_OP(name) { map_ints(n, a, b, y, [&](Ints x, [[maybe_unused]] Ints z) { return expression; }); }

ESPALIER_OP(copy) { std::memmove(y, a, sizeof(float) * n); }
ESPALIER_ONE(neg, -x)
ESPALIER_ONE(abs, magnitude_of(x))
ESPALIER_ONE(exp, whole_exp(x))
ESPALIER_ONE(expm1, expm1_of(x))
ESPALIER_ONE(log, log_of(x))
ESPALIER_ONE(log1p, log1p_of(x))
ESPALIER_ONE(sqrt, root_of(x))
ESPALIER_ONE(rsqrt, 1.0f / root_of(x))
ESPALIER_ONE(square, x * x)
ESPALIER_ONE(reciprocal, 1.0f / x)
ESPALIER_ONE(relu, relu_of(x))
ESPALIER_ONE(relu6, at_most(relu_of(x), 6.0f))
ESPALIER_ONE(leakyRelu, (x < 0.0f ? x * p : x))
ESPALIER_ONE(elu, (x >= 0.0f ? x : expm1_of(x)))
ESPALIER_ONE(selu, (x >= 0.0f ? x * SELU_SCALE : expm1_of(x) * SELU_SCALE_ALPHA))
ESPALIER_ONE(softplus, relu_of(x) + log1p_of(whole_exp(-magnitude_of(x))))
ESPALIER_ONE(sigmoid, sigmoid_of(x))
ESPALIER_ONE(tanh, tanh_of(x))
ESPALIER_ONE(erf, erf_of(x))
ESPALIER_OP(sin) { map_circular<0>(n, a, y); }
ESPALIER_OP(cos) { map_circular<1>(n, a, y); }
ESPALIER_ONE(floor, rounded<1>(x))
ESPALIER_ONE(ceil, rounded<2>(x))
ESPALIER_ONE(round, rounded<0>(x))
ESPALIER_ONE(sign, one_if(x > 0.0f) - one_if(x < 0.0f))
ESPALIER_ONE(step, (x != x ? x : (x > 0.0f ? splat(1.0f) : splat(p))))
ESPALIER_ONE(clip, at_most(at_least(x, p), q))
ESPALIER_ONE(isNan, one_if(x != x))
ESPALIER_ONE(isFinite, one_if(magnitude_of(x) < splat(__builtin_inff())))
ESPALIER_ONE(isInf, one_if(magnitude_of(x) == splat(__builtin_inff())))
ESPALIER_ONE(logicalNot, one_if(x == 0.0f))
ESPALIER_ONE(truths, one_if(x != 0.0f))
ESPALIER_OP(constant) { each_vector(n, [&](int64_t j, int64_t count) { store_some(y + j, splat(p), count); }); }
ESPALIER_TWO(add, x + z)
ESPALIER_TWO(sub, x - z)
ESPALIER_TWO(mul, x* z)
ESPALIER_TWO(div, x / z)
ESPALIER_OP(floorDiv) { map_each(n, a, b, y, [](float x, float z) { return floored_quotient(x, z); }); }
ESPALIER_OP(mod) { map_each(n, a, b, y, remainder_of); }
ESPALIER_OP(pow) { map_power(n, a, b, y); }
ESPALIER_TWO(maximum, larger_of(x, z))
ESPALIER_TWO(minimum, smaller_of(x, z))
ESPALIER_TWO(squaredDifference, (x - z) * (x - z))
ESPALIER_TWO(prelu, (x < 0.0f ? x * z : x))
ESPALIER_TWO(eluGrad, (z >= 0.0f ? x : x * (z + 1.0f)))
ESPALIER_TWO(equal, one_if(x == z))
ESPALIER_TWO(notEqual, one_if(x != z))
ESPALIER_TWO(less, one_if(x < z))
ESPALIER_TWO(lessEqual, one_if(x <= z))
ESPALIER_TWO(greater, one_if(x > z))
ESPALIER_TWO(greaterEqual, one_if(x >= z))
ESPALIER_TWO(logicalAnd, one_if((x != 0.0f) & (z != 0.0f)))
ESPALIER_TWO(logicalOr, one_if((x != 0.0f) | (z != 0.0f)))
ESPALIER_OP(select) {
  each_vector(n, [&](int64_t j, int64_t count) {
    const Floats x = load_some(b + j, count), z = load_some(c + j, count);
    store_some(y + j, load_some(a + j, count) != 0.0f ? x : z, count);
  });
}
ESPALIER_INTS(negInts, (Ints)(0u - (Words)x))
ESPALIER_INTS(absInts, (x < 0 ? (Ints)(0u - (Words)x) : x))
ESPALIER_INTS(addInts, (Ints)((Words)x + (Words)z))
ESPALIER_INTS(subInts, (Ints)((Words)x - (Words)z))
ESPALIER_INTS(mulInts, (Ints)((Words)x * (Words)z))
ESPALIER_OP(floorDivInts) {
  map_each(n, a, b, y, [](float x, float z) { return floored_quotient(integer_in(x), integer_in(z)); });
}
ESPALIER_OP(modInts) {
  map_each(n, a, b, y, [](float x, float z) { return floored_remainder(integer_in(x), integer_in(z)); });
}
ESPALIER_INTS(maximumInts, (x > z ? x : z))
ESPALIER_INTS(minimumInts, (x < z ? x : z))
ESPALIER_INTS(equalInts, one_if(x == z))
ESPALIER_INTS(notEqualInts, one_if(x != z))
ESPALIER_INTS(lessInts, one_if(x < z))
ESPALIER_INTS(lessEqualInts, one_if(x <= z))
ESPALIER_INTS(greaterInts, one_if(x > z))
ESPALIER_INTS(greaterEqualInts, one_if(x >= z))
ESPALIER_INTS(floatsOfInts, __builtin_convertvector(x, Floats))
ESPALIER_OP(intsOfFloats) { map_each(n, a, a, y, [](float x, float) { return word_of(integer_of(x)); }); }
ESPALIER_INTS(truthsOfInts, one_if(x != 0))

#undef ESPALIER_OP
#undef ESPALIER_ONE
#undef ESPALIER_TWO
#undef ESPALIER_INTS

constexpr ElementwiseOp ELEMENTWISE_OPS[] = {
#define ESPALIER_FUNCTION(name, arity) op_##name,
    ESPALIER_ELEMENTWISE(ESPALIER_FUNCTION)
#undef ESPALIER_FUNCTION
};

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
