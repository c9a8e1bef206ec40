// Products of matrices.
#include "arguments.h"
#include "calls.h"

namespace espalier {
namespace {

// m, n, k, transpose a, transpose b, bf16, activation of a, slope of, a, b, bias, residual, slope at, c
void MatrixProduct(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Product p = {};
  p.m = in.size(), p.n = in.size(), p.k = in.size();
  const bool transpose_a = in.flag(), transpose_b = in.flag();
  p.precision = in.precision();
  p.activated_a = in.optional_activation();
  p.slope_of = in.optional_activation();
  const float* a = in.floats(times(p.m, p.k));
  const float* b = in.floats(times(p.k, p.n));
  p.a = transpose_a ? Matrix{a, 1, p.m} : Matrix{a, p.k, 1};
  p.b = transpose_b ? Matrix{b, 1, p.k} : Matrix{b, p.n, 1};
  p.bias = in.optional_floats(p.n);
  p.residual = in.optional_floats(times(p.m, p.n));
  p.slope_at = in.optional_floats(times(p.m, p.n));
  if (p.slope_at != nullptr && p.slope_of == Activation::none) in.fail("needs the activation that it is the slope of");
  p.c = in.floats(times(p.m, p.n));
  kernels().product(p);
}

// As above, for few rows; b may be transposed.
void RowProduct(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Product p = {};
  p.m = in.size(), p.n = in.size(), p.k = in.size();
  const bool transpose_b = in.flag();
  p.precision = in.precision();
  p.activated_a = in.optional_activation();
  p.a = {in.floats(times(p.m, p.k)), p.k, 1};
  const float* b = in.floats(times(p.k, p.n));
  p.b = transpose_b ? Matrix{b, 1, p.k} : Matrix{b, p.n, 1};
  p.bias = in.optional_floats(p.n);
  p.residual = in.optional_floats(times(p.m, p.n));
  p.c = in.floats(times(p.m, p.n));
  kernels().row_product(p);
}

// n, k, transposed, b -> b packed to bfloat16 for this variant
Napi::Value KeepMatrix(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t n = in.size(), k = in.size();
  const bool transposed = in.flag();
  const float* b = in.floats(times(k, n));
  const Napi::Value memory = new_buffer(info.Env(), 4 * kernels().kept_words(n, k));
  auto* packed = static_cast<uint32_t*>(memory.As<Napi::ArrayBuffer>().Data());
  kernels().keep_matrix(n, k, transposed ? Matrix{b, 1, k} : Matrix{b, n, 1}, packed);
  return memory;
}

// m, n, k, activation of a, a, packed b, bias, residual, c
void ProductOfKept(const Napi::CallbackInfo& info) {
  Arguments in(info);
  KeptProduct p = {};
  p.m = in.size(), p.n = in.size(), p.k = in.size();
  p.activated_a = in.optional_activation();
  p.a = in.floats(times(p.m, p.k));
  p.b = static_cast<const uint32_t*>(in.buffer(4 * kernels().kept_words(p.n, p.k)));
  p.bias = in.optional_floats(p.n);
  p.residual = in.optional_floats(times(p.m, p.n));
  p.c = in.floats(times(p.m, p.n));
  kernels().kept_product(p);
}

// batches, m, n, k, transpose a, transpose b, bf16, matrices of a, of b, each batch's of a, of b, a, b, bias, c
void BatchedProduct(const Napi::CallbackInfo& info) {
  Arguments in(info);
  BatchProduct batch = {};
  batch.batches = in.size();
  Product p = {};
  p.m = in.size(), p.n = in.size(), p.k = in.size();
  const bool transpose_a = in.flag(), transpose_b = in.flag();
  p.precision = in.precision();
  const int64_t of_a = in.size(), of_b = in.size();
  batch.of_a = in.integers(batch.batches, 0, of_a);
  batch.of_b = in.integers(batch.batches, 0, of_b);
  const float* a = in.floats(times(of_a, times(p.m, p.k)));
  const float* b = in.floats(times(of_b, times(p.k, p.n)));
  p.a = transpose_a ? Matrix{a, 1, p.m} : Matrix{a, p.k, 1};
  p.b = transpose_b ? Matrix{b, 1, p.k} : Matrix{b, p.n, 1};
  p.bias = in.optional_floats(p.n);
  p.c = in.floats(times(batch.batches, times(p.m, p.n)));
  kernels().batch_product(p, batch);
}

}  // namespace

void add_products(Exports& exports) {
  exports.add<MatrixProduct>("matrixProduct");
  exports.add<RowProduct>("rowProduct");
  exports.add<KeepMatrix>("keepMatrix");
  exports.add<ProductOfKept>("keptProduct");
  exports.add<BatchedProduct>("batchedProduct");
}

}  // namespace espalier
