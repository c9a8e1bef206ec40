// The boundary with JavaScript: every argument is checked here, and what is wrong throws.
#include <napi.h>

#include <cmath>
#include <cstdlib>
#include <iterator>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "kernels.h"
#include "threads.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace espalier {
namespace {

// Threads of Node that load this addon share its memory, but each chooses its own variant.
thread_local const Kernels* kernels = select_kernels(nullptr);

/** Reads a call's arguments in order. */
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  double number() {
    const Napi::Value value = next();
    if (!value.IsNumber()) fail("must be a number");
    return value.As<Napi::Number>().DoubleValue();
  }

  int64_t size() {
    const double value = number();
    if (!(value >= 0 && value <= 9007199254740991.0) || value != static_cast<double>(static_cast<int64_t>(value)))
      fail("must be a size");
    return static_cast<int64_t>(value);
  }

  bool flag() {
    const Napi::Value value = next();
    if (!value.IsBoolean()) fail("must be a boolean");
    return value.As<Napi::Boolean>().Value();
  }

  Precision precision() { return flag() ? Precision::bf16 : Precision::f32; }

  /** By name. */
  Activation activation() { return activation_of(next()); }

  Activation optional_activation() {
    const Napi::Value value = next();
    return value.IsUndefined() ? Activation::none : activation_of(value);
  }

  float* floats(int64_t count) { return floats_of(next(), count); }

  const float* optional_floats(int64_t count) {
    const Napi::Value value = next();
    return value.IsUndefined() ? nullptr : floats_of(value, count);
  }

  /** int32 numbers from `low` to below `high`. */
  const int32_t* integers(int64_t count, int64_t low, int64_t high) {
    const auto* data = static_cast<const int32_t*>(elements(next(), napi_int32_array, count, "must be an Int32Array"));
    for (int64_t i = 0; i < count; i++)
      if (data[i] < low || data[i] >= high)
        fail("holds " + std::to_string(data[i]) + " at " + std::to_string(i) + "; allowed are " +
             std::to_string(low) + " to " + std::to_string(high - 1));
    return data;
  }

  Napi::Array list() {
    const Napi::Value value = next();
    if (!value.IsArray()) fail("must be an array");
    return value.As<Napi::Array>();
  }

  std::string text() {
    const Napi::Value value = next();
    if (!value.IsString()) fail("must be a string");
    return value.As<Napi::String>().Utf8Value();
  }

  Dropout dropout() {
    const double rate = number();
    if (!(rate >= 0 && rate < 1)) fail("must be a rate of at least 0 and below 1");
    const uint32_t key0 = word(), key1 = word();
    return {rate, key0, key1, size()};
  }

  /** A whole number of 32 bits without sign. */
  uint32_t word() {
    const int64_t value = size();
    if (value > UINT32_MAX) fail("must be below 2^32");
    return static_cast<uint32_t>(value);
  }

  float* floats_of(const Napi::Value& value, int64_t count) {
    const char* what = "must be a Float32Array: the tensor is disposed, or of another type";
    return static_cast<float*>(elements(value, napi_float32_array, count, what));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Napi::TypeError::New(info_.Env(), "native kernel: argument " + std::to_string(index_) + " " + what);
  }

 private:
  Napi::Value next() { return info_[index_++]; }

  /** Of a typed array with `count` elements of that type; fails with `what` where it is none. */
  void* elements(const Napi::Value& value, napi_typedarray_type wanted, int64_t count, const char* what) const {
    napi_typedarray_type type;
    size_t length;
    void* data;
    const napi_status status = napi_get_typedarray_info(info_.Env(), value, &type, &length, &data, nullptr, nullptr);
    if (status != napi_ok || type != wanted) fail(what);
    check_length(length, count);
    return data;
  }

  Activation activation_of(const Napi::Value& value) const {
    constexpr const char* names[] = {"gelu", "gelu_tanh", "silu", "relu", "relu2"};
    constexpr Activation known[] = {Activation::gelu, Activation::gelu_tanh, Activation::silu, Activation::relu,
                                    Activation::relu2};
    const std::string name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
    for (size_t i = 0; i < std::size(known); i++)
      if (name == names[i]) return known[i];
    fail("must be the name of an activation");
  }

  void check_length(size_t found, int64_t count) const {
    if (static_cast<int64_t>(found) != count)
      fail("has " + std::to_string(found) + " elements, the shape needs " + std::to_string(count));
  }

  const Napi::CallbackInfo& info_;
  size_t index_ = 0;
};

/** a * b of sizes whose product may not overflow. */
int64_t times(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) throw std::bad_alloc();
  return product;
}

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
  kernels->product(p);
}

// batch, heads, time, part, rate, key0, key1, first, bf16: what both directions of attention begin with
Attention attention_of(Arguments& in) {
  Attention a = {};
  a.batch = in.size(), a.heads = in.size(), a.time = in.size(), a.part = in.size();
  a.dropout = in.dropout();
  a.precision = in.precision();
  return a;
}

// ..., qkv, y, log sum
void AttentionForward(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Attention a = attention_of(in);
  const int64_t size = times(times(a.batch, a.time), times(a.heads, a.part));
  a.qkv = in.floats(times(3, size));
  a.y = in.floats(size);
  a.log_sum = in.floats(times(times(a.batch, a.heads), a.time));
  kernels->attention(a);
}

// ..., dy, qkv, log sum, dqkv
void AttentionGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Attention a = attention_of(in);
  const int64_t size = times(times(a.batch, a.time), times(a.heads, a.part));
  a.dy = in.floats(size);
  a.qkv = in.floats(times(3, size));
  a.log_sum = in.floats(times(times(a.batch, a.heads), a.time));
  a.dqkv = in.floats(times(3, size));
  kernels->attention_gradient(a);
}

// rows, columns, epsilon, x, weight, bias, y
void LayerNorm(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size();
  const double epsilon = in.number();
  const float* x = in.floats(times(rows, columns));
  const float* weight = in.floats(columns);
  const float* bias = in.optional_floats(columns);
  kernels->layer_norm(rows, columns, x, weight, bias, epsilon, in.floats(times(rows, columns)));
}

// rows, columns, epsilon, dy, x, weight, dx, dweight, dbias
void LayerNormGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size(), size = times(rows, columns);
  const double epsilon = in.number();
  const float *dy = in.floats(size), *x = in.floats(size), *weight = in.floats(columns);
  float *dx = in.floats(size), *dweight = in.floats(columns), *dbias = in.floats(columns);
  kernels->layer_norm_gradient(rows, columns, dy, x, weight, epsilon, dx, dweight, dbias);
}

// activation, size, x, y
void ActivationForward(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const Activation which = in.activation();
  const int64_t size = in.size();
  const float* x = in.floats(size);
  kernels->activation(which, size, x, in.floats(size));
}

// activation, size, dy, x, dx
void ActivationGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const Activation which = in.activation();
  const int64_t size = in.size();
  const float *dy = in.floats(size), *x = in.floats(size);
  kernels->activation_gradient(which, size, dy, x, in.floats(size));
}

// rows, classes, logits, targets, log sum, mean [1]
void CrossEntropy(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), classes = in.size();
  const float* logits = in.floats(times(rows, classes));
  const int32_t* targets = in.integers(rows, -1, classes);
  float* log_sum = in.floats(rows);
  *in.floats(1) = kernels->cross_entropy(rows, classes, logits, targets, log_sum);
}

// rows, classes, dy [1], logits, targets, log sum, gradient
void CrossEntropyGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), classes = in.size();
  const float dy = *in.floats(1);
  const float* logits = in.floats(times(rows, classes));
  const int32_t* targets = in.integers(rows, -1, classes);
  const float* log_sum = in.floats(rows);
  kernels->cross_entropy_gradient(rows, classes, dy, logits, targets, log_sum, in.floats(times(rows, classes)));
}

// count, width, rows, ids, table, y
void Embedding(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t count = in.size(), width = in.size(), rows = in.size();
  const int32_t* ids = in.integers(count, 0, rows);
  const float* table = in.floats(times(rows, width));
  kernels->embedding(count, width, ids, table, in.floats(times(count, width)));
}

// count, width, rows, ids, dy, gradient
void EmbeddingGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t count = in.size(), width = in.size(), rows = in.size();
  const int32_t* ids = in.integers(count, 0, rows);
  const float* dy = in.floats(times(count, width));
  kernels->embedding_gradient(count, width, rows, ids, dy, in.floats(times(rows, width)));
}

// rows, time, heads, part, cos, sin, qkv, y
void Rotary(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), time = in.size(), heads = in.size(), part = in.size();
  if (part % 2 != 0 || (rows > 0 && (time == 0 || rows % time != 0)))
    throw Napi::TypeError::New(info.Env(), "rotary needs parts of an even width, and rows in steps of time");
  const float* cos = in.floats(times(time, part / 2));
  const float* sin = in.floats(times(time, part / 2));
  const int64_t size = times(rows, times(3, times(heads, part)));
  const float* qkv = in.floats(size);
  kernels->rotary(rows, time, heads, part, cos, sin, qkv, in.floats(size));
}

// size, rate, key0, key1, first, x, y
void DropoutForward(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t size = in.size();
  const Dropout how = in.dropout();
  const float* x = in.floats(size);
  kernels->dropout(size, x, how, in.floats(size));
}

// outer, inner, a, b, y
void Add(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t outer = in.size(), inner = in.size();
  const float *a = in.floats(times(outer, inner)), *b = in.floats(inner);
  kernels->add(outer, inner, a, b, in.floats(times(outer, inner)));
}

// size, scale, a, b, y
void AddScaled(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t size = in.size();
  const float scale = static_cast<float>(in.number());
  const float *a = in.floats(size), *b = in.floats(size);
  kernels->add_scaled(size, a, b, scale, in.floats(size));
}

// size, scale [1], x, y
void Scale(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t size = in.size();
  const float scale = *in.floats(1);
  const float* x = in.floats(size);
  kernels->scale(size, x, scale, in.floats(size));
}

// outer, inner, x, y
void SumOuter(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t outer = in.size(), inner = in.size();
  const float* x = in.floats(times(outer, inner));
  kernels->sum_outer(outer, inner, x, in.floats(inner));
}

// learning rate, beta1, beta2, epsilon, step, gradient scale, weight decays [n],
// then n each of: parameters, gradients, means, squares, new parameters, new means, new squares
void AdamWStep(const Napi::CallbackInfo& info) {
  Arguments in(info);
  AdamW how = {};
  how.learning_rate = in.number(), how.beta1 = in.number(), how.beta2 = in.number();
  how.epsilon = in.number(), how.step = in.number(), how.gradient_scale = in.number();
  const Napi::Array decays = in.list();
  const uint32_t count = decays.Length();
  std::vector<double> weight_decays(count);
  for (uint32_t i = 0; i < count; i++) {
    const Napi::Value decay = decays[i];
    if (!decay.IsNumber()) in.fail("must hold numbers");
    weight_decays[i] = decay.As<Napi::Number>().DoubleValue();
  }
  std::vector<AdamWTensors> tensors(count);
  const auto read = [&](auto&& take) {
    const Napi::Array list = in.list();
    if (list.Length() != count) in.fail("must have as many tensors as there are weight decays");
    for (uint32_t i = 0; i < count; i++) {
      const Napi::Value value = list[i];
      take(tensors[i], value);
    }
  };
  read([&](AdamWTensors& t, const Napi::Value& value) {
    if (!value.IsTypedArray()) in.fail("must hold Float32Arrays");
    t.size = static_cast<int64_t>(value.As<Napi::TypedArray>().ElementLength());
    t.parameter = in.floats_of(value, t.size);
  });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.gradient = in.floats_of(value, t.size); });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.mean = in.floats_of(value, t.size); });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.square = in.floats_of(value, t.size); });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.new_parameter = in.floats_of(value, t.size); });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.new_mean = in.floats_of(value, t.size); });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.new_square = in.floats_of(value, t.size); });
  kernels->adamw(count, tensors.data(), weight_decays.data(), how);
}

// tensors -> square root of the sum of all squares
Napi::Value GlobalNorm(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const Napi::Array list = in.list();
  double sum = 0;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Value value = list[i];
    if (!value.IsTypedArray()) in.fail("must hold Float32Arrays");
    const int64_t size = static_cast<int64_t>(value.As<Napi::TypedArray>().ElementLength());
    sum += kernels->sum_of_squares(size, in.floats_of(value, size));
  }
  return Napi::Number::New(info.Env(), std::sqrt(sum));
}

// bytes -> ArrayBuffer, not cleared, on a cache line's boundary
Napi::Value Allocate(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t bytes = in.size();
  constexpr size_t line = 64, huge_page = 2 << 20;
  const size_t alignment = static_cast<size_t>(bytes) >= 2 * huge_page ? huge_page : line;
  const size_t whole = (static_cast<size_t>(bytes) + alignment) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, whole);
  if (data == nullptr)
    throw Napi::RangeError::New(info.Env(), "out of memory: " + std::to_string(bytes) + " bytes are needed for a tensor");
#ifdef __linux__
  if (alignment == huge_page) madvise(data, whole, MADV_HUGEPAGE);
#endif
  return Napi::ArrayBuffer::New(info.Env(), data, static_cast<size_t>(bytes),
                                [](Napi::Env, void* memory) { std::free(memory); });
}

// threads
void SetThreads(const Napi::CallbackInfo& info) {
  constexpr int64_t most = 1024;
  Arguments in(info);
  const int64_t threads = in.size();
  if (threads < 1 || threads > most) in.fail("must be a number of threads from 1 to " + std::to_string(most));
  set_thread_count(static_cast<int>(threads));
}

// name, or "" for the best -> the variant that is now used
Napi::Value UseVariant(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const std::string name = in.text();
  const Kernels* chosen = select_kernels(name.empty() ? nullptr : name.c_str());
  if (chosen == nullptr) throw Napi::Error::New(info.Env(), "this processor, or this build, has no kernels for " + name);
  kernels = chosen;
  Napi::Object answer = Napi::Object::New(info.Env());
  answer["name"] = chosen->name;
  answer["multipliesBf16"] = multiplies_bf16(*chosen);
  return answer;
}

Napi::Value Variants(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  uint32_t index = 0;
  for (const char* const* name = available_kernels(); *name != nullptr; name++) names[index++] = *name;
  return names;
}

/** What goes wrong in a kernel, such as no memory to work with, throws into JavaScript. */
template <auto Function>
auto guarded(const Napi::CallbackInfo& info) {
  try {
    return Function(info);
  } catch (const std::bad_alloc&) {
    throw Napi::RangeError::New(info.Env(), "native kernel: out of memory");
  } catch (const std::system_error& error) {
    throw Napi::Error::New(info.Env(), std::string("native kernel: ") + error.what());
  }
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, auto function) { exports[name] = Napi::Function::New(env, function, name); };
  add("matrixProduct", guarded<MatrixProduct>);
  add("attention", guarded<AttentionForward>);
  add("attentionGradient", guarded<AttentionGradient>);
  add("layerNorm", guarded<LayerNorm>);
  add("layerNormGradient", guarded<LayerNormGradient>);
  add("activation", guarded<ActivationForward>);
  add("activationGradient", guarded<ActivationGradient>);
  add("crossEntropy", guarded<CrossEntropy>);
  add("crossEntropyGradient", guarded<CrossEntropyGradient>);
  add("embedding", guarded<Embedding>);
  add("embeddingGradient", guarded<EmbeddingGradient>);
  add("rotary", guarded<Rotary>);
  add("dropout", guarded<DropoutForward>);
  add("add", guarded<Add>);
  add("addScaled", guarded<AddScaled>);
  add("scale", guarded<Scale>);
  add("sumOuter", guarded<SumOuter>);
  add("adamwStep", guarded<AdamWStep>);
  add("globalNorm", guarded<GlobalNorm>);
  add("allocate", guarded<Allocate>);
  add("setThreads", guarded<SetThreads>);
  add("useVariant", guarded<UseVariant>);
  add("variants", guarded<Variants>);
  return exports;
}

}  // namespace
}  // namespace espalier

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return espalier::Initialize(env, exports); }
NODE_API_MODULE(espalier, Init)
