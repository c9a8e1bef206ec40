// Operations of a model's layers other than products and attention.
#include "arguments.h"
#include "calls.h"

namespace espalier {
namespace {

// rows, columns, epsilon, x, weight, bias, y
void LayerNorm(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size();
  const double epsilon = in.number();
  const float* x = in.floats(times(rows, columns));
  const float* weight = in.floats(columns);
  const float* bias = in.optional_floats(columns);
  kernels().layer_norm(rows, columns, x, weight, bias, epsilon, in.floats(times(rows, columns)));
}

// rows, columns, epsilon, dy, x, weight, dx, dweight, dbias
void LayerNormGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size(), size = times(rows, columns);
  const double epsilon = in.number();
  const float *dy = in.floats(size), *x = in.floats(size), *weight = in.floats(columns);
  float *dx = in.floats(size), *dweight = in.floats(columns), *dbias = in.floats(columns);
  kernels().layer_norm_gradient(rows, columns, dy, x, weight, epsilon, dx, dweight, dbias);
}

// rows, columns, epsilon, x, weight, y
void RmsNorm(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size(), size = times(rows, columns);
  const double epsilon = in.number();
  const float *x = in.floats(size), *weight = in.floats(columns);
  kernels().rms_norm(rows, columns, x, weight, epsilon, in.floats(size));
}

// rows, columns, epsilon, dy, x, weight, dx, dweight
void RmsNormGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size(), size = times(rows, columns);
  const double epsilon = in.number();
  const float *dy = in.floats(size), *x = in.floats(size), *weight = in.floats(columns);
  float *dx = in.floats(size), *dweight = in.floats(columns);
  kernels().rms_norm_gradient(rows, columns, dy, x, weight, epsilon, dx, dweight);
}

// activation, size, x, y
void ActivationForward(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const Activation which = in.activation();
  const int64_t size = in.size();
  const float* x = in.floats(size);
  kernels().activation(which, size, x, in.floats(size));
}

// activation, size, dy, x, dx
void ActivationGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const Activation which = in.activation();
  const int64_t size = in.size();
  const float *dy = in.floats(size), *x = in.floats(size);
  kernels().activation_gradient(which, size, dy, x, in.floats(size));
}

// activation, size, gate, up, y
void GatedForward(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const Activation which = in.activation();
  const int64_t size = in.size();
  const float *gate = in.floats(size), *up = in.floats(size);
  kernels().gated(which, size, gate, up, in.floats(size));
}

// activation, size, dy, gate, up, dgate, dup
void GatedGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const Activation which = in.activation();
  const int64_t size = in.size();
  const float *dy = in.floats(size), *gate = in.floats(size), *up = in.floats(size);
  float *dgate = in.floats(size), *dup = in.floats(size);
  kernels().gated_gradient(which, size, dy, gate, up, dgate, dup);
}

// count, width, rows, ids, table, y
void Embedding(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t count = in.size(), width = in.size(), rows = in.size();
  const int32_t* ids = in.integers(count, 0, rows);
  const float* table = in.floats(times(rows, width));
  kernels().embedding(count, width, ids, table, in.floats(times(count, width)));
}

// count, width, rows, ids, dy, gradient
void EmbeddingGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t count = in.size(), width = in.size(), rows = in.size();
  const int32_t* ids = in.integers(count, 0, rows);
  const float* dy = in.floats(times(count, width));
  kernels().embedding_gradient(count, width, rows, ids, dy, in.floats(times(rows, width)));
}

// size, rate, key0, key1, first, x, y
void DropoutForward(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t size = in.size();
  const Dropout how = in.dropout();
  const float* x = in.floats(size);
  kernels().dropout(size, x, how, in.floats(size));
}

// rows, classes, logits, targets, log sum, mean [1]
void CrossEntropy(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), classes = in.size();
  const float* logits = in.floats(times(rows, classes));
  const int32_t* targets = in.integers(rows, -1, classes);
  float* log_sum = in.floats(rows);
  *in.floats(1) = kernels().cross_entropy(rows, classes, logits, targets, log_sum);
}

// rows, classes, dy [1], logits, targets, log sum, gradient
void CrossEntropyGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), classes = in.size();
  const float dy = *in.floats(1);
  const float* logits = in.floats(times(rows, classes));
  const int32_t* targets = in.integers(rows, -1, classes);
  const float* log_sum = in.floats(rows);
  kernels().cross_entropy_gradient(rows, classes, dy, logits, targets, log_sum, in.floats(times(rows, classes)));
}

// rows, classes, logits, targets, losses, log sum
void TokenCrossEntropy(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), classes = in.size();
  const float* logits = in.floats(times(rows, classes));
  const int32_t* targets = in.integers(rows, -1, classes);
  float* losses = in.floats(rows);
  kernels().token_cross_entropy(rows, classes, logits, targets, losses, in.floats(rows));
}

// rows, classes, dlosses, dlog sum, logits, targets, log sum, gradient
void TokenCrossEntropyGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), classes = in.size(), size = times(rows, classes);
  const float *dlosses = in.floats(rows), *dlog_sum = in.floats(rows), *logits = in.floats(size);
  const int32_t* targets = in.integers(rows, -1, classes);
  const float* log_sum = in.floats(rows);
  kernels().token_cross_entropy_gradient(rows, classes, dlosses, dlog_sum, logits, targets, log_sum, in.floats(size));
}

}  // namespace

void add_layers(Exports& exports) {
  exports.add<LayerNorm>("layerNorm");
  exports.add<LayerNormGradient>("layerNormGradient");
  exports.add<RmsNorm>("rmsNorm");
  exports.add<RmsNormGradient>("rmsNormGradient");
  exports.add<ActivationForward>("activation");
  exports.add<ActivationGradient>("activationGradient");
  exports.add<GatedForward>("gated");
  exports.add<GatedGradient>("gatedGradient");
  exports.add<Embedding>("embedding");
  exports.add<EmbeddingGradient>("embeddingGradient");
  exports.add<DropoutForward>("dropout");
  exports.add<CrossEntropy>("crossEntropy");
  exports.add<CrossEntropyGradient>("crossEntropyGradient");
  exports.add<TokenCrossEntropy>("tokenCrossEntropy");
  exports.add<TokenCrossEntropyGradient>("tokenCrossEntropyGradient");
}

}  // namespace espalier
