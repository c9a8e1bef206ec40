// The functions of every variant. All tensors are row-major and dense; sizes are in elements.
#pragma once

#include <cstdint>

#include "arrays.h"
#include "elementwise_codes.h"

namespace espalier {

enum class Precision { f32, bf16 };

enum class Activation { none, gelu, gelu_tanh, silu, relu, relu2 };

/** A matrix operand: element (row, column) is data[row * row_stride + column * column_stride]. */
struct Matrix {
  const float* data;
  int64_t row_stride, column_stride;
};

/** c [m, n] = a [m, k] * b [k, n] (+ bias [n], to every row) (+ residual [m, n]). */
struct Product {
  int64_t m, n, k;
  Matrix a, b;
  float* c;
  const float* bias;       // null: none
  const float* residual;   // null: none
  const float* slope_at;   // [m, n]; the result is multiplied by the slope of an activation there; null: it is not
  Activation slope_of;     // where slope_at is not null
  Activation activated_a;  // a stands for what this makes of it
  Precision precision;
};

struct Dropout {
  double rate;  // 0: none
  uint32_t key0, key1;
  int64_t first;  // number of the first element in what the mask is of
};

/**
 * Layout of a row of queries, keys and values side by side: `queries` query heads, then `keys` key heads and as many
 * value heads.
 */
struct Heads {
  int64_t queries, keys, part;

  int64_t width() const { return (queries + 2 * keys) * part; }
};

/** Attention over qkv [batch, time, heads.width()]; queries / keys query heads share a key and value head. */
struct Attention {
  int64_t batch;
  Heads heads;
  int64_t time;
  const float* qkv;
  Dropout dropout;
  Precision precision;
  const int32_t* first_keys;  // [batch, time]: the first key that each position sees; null: 0
  float* log_sum;   // [batch, heads.queries, time]: written forward, read backward
  float* y;         // forward: [batch, time, heads.queries * part]
  const float* dy;  // backward: the same shape
  float* dqkv;      // backward
};

/** c [m, n] = a [m, k] * b [k, n] (+ bias [n], to every row) (+ residual [m, n]), with b packed to bfloat16. */
struct KeptProduct {
  int64_t m, n, k;
  const float* a;
  const uint32_t* b;
  float* c;
  const float* bias;       // null: none
  const float* residual;   // null: none
  Activation activated_a;  // a stands for what this makes of it
};

/** Attention of one new position of each text, whose keys and values are written to the cache. */
struct NextAttention {
  int64_t texts;
  Heads heads;
  int64_t capacity, position;
  const float* qkv;      // [texts, heads.width()]
  float *keys, *values;  // [texts, capacity, heads.keys * part]
  float* y;              // [texts, heads.queries * part]
};

struct AdamW {
  double learning_rate, beta1, beta2, epsilon, weight_decay, step, gradient_scale;
};

/** A parameter's tensors; the outputs may be the inputs. */
struct AdamWTensors {
  int64_t size;
  const float *parameter, *gradient, *mean, *square;
  float *new_parameter, *new_mean, *new_square;
};

struct Kernels {
  const char* name;

  void (*product)(const Product&);
  /** The same for few rows, without packing: a row's result does not depend on the number of rows. */
  void (*row_product)(const Product&);
  /** 32-bit words of a packed matrix [k, n]. */
  int64_t (*kept_words)(int64_t n, int64_t k);
  void (*keep_matrix)(int64_t n, int64_t k, Matrix b, uint32_t* packed);
  void (*kept_product)(const KeptProduct&);
  void (*next_attention)(const NextAttention&);

  void (*attention)(const Attention&);
  void (*attention_gradient)(const Attention&);

  /** y [rows, columns]; bias may be null. */
  void (*layer_norm)(int64_t rows, int64_t columns, const float* x, const float* weight, const float* bias,
                     double epsilon, float* y);
  void (*layer_norm_gradient)(int64_t rows, int64_t columns, const float* dy, const float* x, const float* weight,
                              double epsilon, float* dx, float* dweight, float* dbias);

  void (*activation)(Activation, int64_t size, const float* x, float* y);
  void (*activation_gradient)(Activation, int64_t size, const float* dy, const float* x, float* dx);

  /** activation(gate) * up. */
  void (*gated)(Activation, int64_t size, const float* gate, const float* up, float* y);
  void (*gated_gradient)(Activation, int64_t size, const float* dy, const float* gate, const float* up, float* dgate,
                         float* dup);

  void (*rms_norm)(int64_t rows, int64_t columns, const float* x, const float* weight, double epsilon, float* y);
  void (*rms_norm_gradient)(int64_t rows, int64_t columns, const float* dy, const float* x, const float* weight,
                            double epsilon, float* dx, float* dweight);

  /** RMS norm of each head's queries and keys; qkv and y [rows, heads.width()], weights [part]. */
  void (*query_key_norm)(int64_t rows, Heads heads, const float* qkv, const float* query_weight,
                         const float* key_weight, double epsilon, float* y);
  void (*query_key_norm_gradient)(int64_t rows, Heads heads, const float* dy, const float* qkv,
                                  const float* query_weight, const float* key_weight, double epsilon, float* dqkv,
                                  float* dquery_weight, float* dkey_weight);

  /** Returns the mean over targets that are not -1; writes the log-sum-exp of each row. */
  float (*cross_entropy)(int64_t rows, int64_t classes, const float* logits, const int32_t* targets, float* log_sum);
  void (*cross_entropy_gradient)(int64_t rows, int64_t classes, float dy, const float* logits, const int32_t* targets,
                                 const float* log_sum, float* gradient);
  /** Writes the loss of each row, 0 where the target is -1, and its log-sum-exp. */
  void (*token_cross_entropy)(int64_t rows, int64_t classes, const float* logits, const int32_t* targets,
                              float* losses, float* log_sum);
  void (*token_cross_entropy_gradient)(int64_t rows, int64_t classes, const float* dlosses, const float* dlog_sum,
                                       const float* logits, const int32_t* targets, const float* log_sum,
                                       float* gradient);

  void (*embedding)(int64_t count, int64_t width, const int32_t* ids, const float* table, float* y);
  void (*embedding_gradient)(int64_t count, int64_t width, int64_t rows, const int32_t* ids, const float* dy,
                             float* gradient);

  void (*strided_copy)(const StridedCopy&);
  /** Sets every element of y; for bytes, to the lowest byte of the value. */
  void (*fill)(int64_t size, bool is_byte, uint32_t value, void* y);
  void (*reduce)(const Reduction&);
  void (*softmax)(int64_t rows, int64_t columns, const float* x, float* y);
  void (*gather)(const Gather&);
  void (*scatter)(const Scatter&);
  /** y [count, depth]; uses the values' lowest byte if elements are bytes. */
  void (*one_hot)(int64_t count, int64_t depth, uint32_t on, uint32_t off, const int32_t* ids, bool is_byte, void* y);
  void (*running)(const Running&);
  /** values and indices [rows, k] of the largest of each row of x [rows, columns]: floats or integers. */
  void (*top_k)(int64_t rows, int64_t columns, int64_t k, ElementType type, const void* x, void* values,
                int32_t* indices);
  /** @param one with the first matrices of a, b and c */
  void (*batch_product)(const Product& one, const BatchProduct&);

  /** cos and sin [time, part / 2]; qkv and y [rows, heads.width()], with position = row modulo time. */
  void (*rotary)(int64_t rows, int64_t time, Heads heads, const float* cos, const float* sin, const float* qkv,
                 float* y);

  void (*dropout)(int64_t size, const float* x, const Dropout&, float* y);

  /** y [outer, inner] = a [outer, inner] + b [inner]; with outer 1, a plain sum. y may be a. */
  void (*add)(int64_t outer, int64_t inner, const float* a, const float* b, float* y);
  /** y = a + scale * b; y may be a. */
  void (*add_scaled)(int64_t size, const float* a, const float* b, float scale, float* y);
  /** y = scale * x; y may be x. */
  void (*scale)(int64_t size, const float* x, float scale, float* y);
  /** y [inner] = the sum of x [outer, inner] over the outer axis. */
  void (*sum_outer)(int64_t outer, int64_t inner, const float* x, float* y);

  void (*elementwise)(const ElementwiseProgram&);

  void (*adamw)(int64_t count, const AdamWTensors* tensors, const double* weight_decays, const AdamW&);
  double (*sum_of_squares)(int64_t size, const float* x);
};

/** Returns the kernels of the best instruction set of this processor, or of the named one; null if unavailable. */
const Kernels* select_kernels(const char* name);

/** Returns the compiled variants that work on this processor, best first; ends with null. */
const char* const* available_kernels();

/** How a variant multiplies bfloat16: AMX tiles, AVX-512 dot products of pairs, or float32 instructions. */
enum class Bf16Products { tiles, pairs, floats };
Bf16Products bf16_products(const Kernels&);

/** The processor's vendor from CPUID, such as GenuineIntel or AuthenticAMD; empty on other architectures than x86. */
const char* processor_vendor();

}  // namespace espalier
