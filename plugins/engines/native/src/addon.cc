// The boundary with JavaScript: every argument is checked here, and what is wrong throws.
#include <napi.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
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

  /** A Float32Array, an Int32Array or a Uint8Array of any length. */
  struct Array {
    void* data;
    int64_t length;
    ElementType type;
  };

  Array array() {
    napi_typedarray_type type;
    size_t length;
    void* data;
    const napi_status status = napi_get_typedarray_info(info_.Env(), next(), &type, &length, &data, nullptr, nullptr);
    const bool is_one = status == napi_ok &&
                        (type == napi_float32_array || type == napi_int32_array || type == napi_uint8_array);
    if (!is_one) fail("must be a Float32Array, an Int32Array or a Uint8Array");
    return {data, static_cast<int64_t>(length),
            type == napi_float32_array ? ElementType::floats
            : type == napi_int32_array ? ElementType::integers
                                       : ElementType::truths};
  }

  /** The same with `count` elements. */
  Array array(int64_t count) {
    const Array found = array();
    check_length(static_cast<size_t>(found.length), count);
    return found;
  }

  /** The same with `count` elements of that type. */
  void* array(int64_t count, ElementType type) {
    const Array found = array(count);
    if (found.type != type) fail("is of another type than its tensor");
    return found.data;
  }

  /** An Int32Array of any length. */
  const int32_t* words(size_t& count) {
    napi_typedarray_type type;
    void* data;
    if (napi_get_typedarray_info(info_.Env(), next(), &type, &count, &data, nullptr, nullptr) != napi_ok ||
        type != napi_int32_array)
      fail("must be an Int32Array");
    return static_cast<const int32_t*>(data);
  }

  /** At least `count` elements of any of the types that an elementwise operation reads or writes. */
  void* elements_of(ElementType type, int64_t count) {
    const Array found = array();
    if (found.type != type) fail("must be an array of the elements' type: the tensor is disposed, or of another type");
    if (found.length < count)
      fail("has " + std::to_string(found.length) + " elements, the shape needs " + std::to_string(count));
    return found.data;
  }

  /** Memory of so many bytes. */
  void* buffer(int64_t bytes) {
    const Napi::Value value = next();
    if (!value.IsArrayBuffer()) fail("must be an ArrayBuffer");
    Napi::ArrayBuffer memory = value.As<Napi::ArrayBuffer>();
    check_length(memory.ByteLength(), bytes);
    return memory.Data();
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

/** Memory that is not cleared, of large pages where it is large. */
Napi::ArrayBuffer new_buffer(Napi::Env env, int64_t bytes) {
  constexpr size_t line = 64, huge_page = 2 << 20;
  const size_t alignment = static_cast<size_t>(bytes) >= 2 * huge_page ? huge_page : line;
  const size_t whole = (static_cast<size_t>(bytes) + alignment) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, whole);
  if (data == nullptr)
    throw Napi::RangeError::New(env, "out of memory: " + std::to_string(bytes) + " bytes are needed for a tensor");
#ifdef __linux__
  if (alignment == huge_page) madvise(data, whole, MADV_HUGEPAGE);
#endif
  return Napi::ArrayBuffer::New(env, data, static_cast<size_t>(bytes),
                                [](Napi::Env, void* memory) { std::free(memory); });
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

// As above, for few rows and b as it is or transposed.
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
  kernels->row_product(p);
}

// n, k, transposed, b -> b packed to bfloat16, as this variant multiplies it
Napi::Value KeepMatrix(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t n = in.size(), k = in.size();
  const bool transposed = in.flag();
  const float* b = in.floats(times(k, n));
  const Napi::Value memory = new_buffer(info.Env(), 4 * kernels->kept_words(n, k));
  auto* packed = static_cast<uint32_t*>(memory.As<Napi::ArrayBuffer>().Data());
  kernels->keep_matrix(n, k, transposed ? Matrix{b, 1, k} : Matrix{b, n, 1}, packed);
  return memory;
}

// m, n, k, activation of a, a, packed b, bias, residual, c
void KeptProduct(const Napi::CallbackInfo& info) {
  Arguments in(info);
  espalier::KeptProduct p = {};
  p.m = in.size(), p.n = in.size(), p.k = in.size();
  p.activated_a = in.optional_activation();
  p.a = in.floats(times(p.m, p.k));
  p.b = static_cast<const uint32_t*>(in.buffer(4 * kernels->kept_words(p.n, p.k)));
  p.bias = in.optional_floats(p.n);
  p.residual = in.optional_floats(times(p.m, p.n));
  p.c = in.floats(times(p.m, p.n));
  kernels->kept_product(p);
}

// texts, heads, part, capacity, position, qkv, keys, values, y
void NextAttention(const Napi::CallbackInfo& info) {
  Arguments in(info);
  espalier::NextAttention a = {};
  a.texts = in.size(), a.heads = in.size(), a.part = in.size(), a.capacity = in.size(), a.position = in.size();
  if (a.position >= a.capacity) in.fail("must be below the capacity");
  const int64_t size = times(a.texts, times(a.heads, a.part));
  a.qkv = in.floats(times(3, size));
  a.keys = in.floats(times(a.capacity, size));
  a.values = in.floats(times(a.capacity, size));
  a.y = in.floats(size);
  kernels->next_attention(a);
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

// activation, size, gate, up, y
void GatedForward(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const Activation which = in.activation();
  const int64_t size = in.size();
  const float *gate = in.floats(size), *up = in.floats(size);
  kernels->gated(which, size, gate, up, in.floats(size));
}

// activation, size, dy, gate, up, dgate, dup
void GatedGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const Activation which = in.activation();
  const int64_t size = in.size();
  const float *dy = in.floats(size), *gate = in.floats(size), *up = in.floats(size);
  float *dgate = in.floats(size), *dup = in.floats(size);
  kernels->gated_gradient(which, size, dy, gate, up, dgate, dup);
}

// rows, columns, epsilon, x, weight, y
void RmsNorm(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size(), size = times(rows, columns);
  const double epsilon = in.number();
  const float *x = in.floats(size), *weight = in.floats(columns);
  kernels->rms_norm(rows, columns, x, weight, epsilon, in.floats(size));
}

// rows, columns, epsilon, dy, x, weight, dx, dweight
void RmsNormGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size(), size = times(rows, columns);
  const double epsilon = in.number();
  const float *dy = in.floats(size), *x = in.floats(size), *weight = in.floats(columns);
  float *dx = in.floats(size), *dweight = in.floats(columns);
  kernels->rms_norm_gradient(rows, columns, dy, x, weight, epsilon, dx, dweight);
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

/** Fails where a coordinate's element is outside an array of that length. */
void check_layout(const Arguments& in, int rank, const int64_t* sizes, const int64_t* strides, int64_t offset,
                  int64_t length) {
  int64_t first = offset, last = offset;
  for (int axis = 0; axis < rank; axis++) {
    if (sizes[axis] < 1) in.fail("has a layout with a size below 1");
    const int64_t end = times(sizes[axis] - 1, strides[axis]);
    (end < 0 ? first : last) += end;
  }
  if (first < 0 || last >= length)
    in.fail("has " + std::to_string(length) + " elements, its layout reaches from " + std::to_string(first) + " to " +
            std::to_string(last));
}

// rank, layout [3 * rank + 2] (sizes, steps in x, steps in y, offsets in x and y), x, y
void Copy(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rank = in.size();
  if (rank > StridedCopy::MOST_AXES) in.fail("is more axes than there can be");
  const int32_t* layout = in.integers(3 * rank + 2, INT32_MIN, INT32_MAX);
  StridedCopy copy = {};
  copy.rank = static_cast<int>(rank);
  for (int64_t axis = 0; axis < rank; axis++) {
    copy.sizes[axis] = layout[axis];
    copy.from[axis] = layout[rank + axis];
    copy.to[axis] = layout[2 * rank + axis];
  }
  const int64_t from = layout[3 * rank], to = layout[3 * rank + 1];
  const Arguments::Array x = in.array();
  check_layout(in, copy.rank, copy.sizes, copy.from, from, x.length);
  const Arguments::Array y = in.array();
  check_layout(in, copy.rank, copy.sizes, copy.to, to, y.length);
  if (x.type != y.type) in.fail("is of another type than what is copied");
  copy.is_byte = x.type == ElementType::truths;
  copy.x = static_cast<const char*>(x.data) + from * (copy.is_byte ? 1 : 4);
  copy.y = static_cast<char*>(y.data) + to * (copy.is_byte ? 1 : 4);
  kernels->strided_copy(copy);
}

/** A number as an element is in memory. */
uint32_t bits_of(const Arguments& in, double value, ElementType type) {
  if (type == ElementType::floats) {
    const float element = static_cast<float>(value);
    uint32_t bits;
    std::memcpy(&bits, &element, sizeof bits);
    return bits;
  }
  if (!(value >= INT32_MIN && value <= INT32_MAX)) in.fail("is of whole numbers, and what it is to hold is not");
  return static_cast<uint32_t>(static_cast<int32_t>(value));
}

// size, value, y
void Fill(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t size = in.size();
  const double value = in.number();
  const Arguments::Array y = in.array(size);
  kernels->fill(size, y.type == ElementType::truths, bits_of(in, value, y.type), y.data);
}

// kind, steps, sizes [steps, 3] (outer, size, inner), scale, x, y
void Reduce(const Napi::CallbackInfo& info) {
  static thread_local std::vector<uint32_t> between[2];
  Arguments in(info);
  Reduction r = {};
  const int64_t kind = in.size();
  if (kind > Reduction::arg_min) in.fail("is no reduction");
  r.kind = static_cast<Reduction::Kind>(kind);
  const bool is_index = r.kind == Reduction::arg_max || r.kind == Reduction::arg_min;
  const bool is_wide = r.kind == Reduction::sum || r.kind == Reduction::product;
  const int64_t steps = in.size();
  if (steps < 1 || (is_index && steps > 1)) in.fail("is no number of steps");
  const int32_t* sizes = in.integers(times(3, steps), 1, INT32_MAX);
  const double scale = in.number();
  int64_t left = times(times(sizes[0], sizes[1]), sizes[2]);
  const Arguments::Array x = in.array(left);
  for (int64_t i = 0; i < steps; i++) {
    const int32_t* step = sizes + 3 * i;
    if (times(times(step[0], step[1]), step[2]) != left) in.fail("does not have the sizes that a step leaves");
    left = times(step[0], step[2]);
  }
  const Arguments::Array y = in.array(left);
  const ElementType wanted =
      is_index || (is_wide && x.type != ElementType::floats) ? ElementType::integers : x.type;
  const bool to_floats = is_wide && y.type == ElementType::floats;
  if (!to_floats && y.type != wanted) in.fail("is of another type than the reduction's");
  r.x = x.data, r.type = x.type;
  for (int64_t i = 0; i < steps; i++) {
    const int32_t* step = sizes + 3 * i;
    const bool is_last = i == steps - 1;
    r.outer = step[0], r.size = step[1], r.inner = step[2];
    r.scale = is_last ? scale : 1, r.to_floats = is_last && to_floats;
    if (!is_last) between[i % 2].resize(static_cast<size_t>(r.outer * r.inner));
    r.y = is_last ? y.data : between[i % 2].data();
    kernels->reduce(r);
    r.x = r.y, r.type = wanted;
  }
}

// rows, columns, x, y
void Softmax(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size(), size = times(rows, columns);
  const float* x = in.floats(size);
  kernels->softmax(rows, columns, x, in.floats(size));
}

// product or sum, exclusive, reverse, outer, size, inner, x, y
void RunningAlong(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Running r = {};
  r.is_product = in.flag(), r.is_exclusive = in.flag(), r.is_reverse = in.flag();
  r.outer = in.size(), r.size = in.size(), r.inner = in.size();
  const int64_t size = times(r.outer, times(r.size, r.inner));
  const Arguments::Array x = in.array(size);
  if (x.type == ElementType::truths) in.fail("must be numbers");
  r.x = x.data, r.type = x.type;
  r.y = in.array(size, x.type);
  kernels->running(r);
}

// batch, outer, size, count, slice, ids, x, y
void GatherSlices(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Gather g = {};
  g.batch = in.size(), g.outer = in.size(), g.size = in.size(), g.count = in.size(), g.slice = in.size();
  g.ids = in.integers(times(g.batch, g.count), 0, g.size);
  const int64_t lines = times(times(g.batch, g.outer), g.slice);
  const Arguments::Array x = in.array(times(lines, g.size));
  g.x = x.data, g.is_byte = x.type == ElementType::truths;
  g.y = in.array(times(lines, g.count), x.type);
  if (lines > 0) kernels->gather(g);
}

/** The number of the slice that each of ids [count, depth] names in sizes [depth]; -1 for those that are left out. */
const int32_t* slices_of(Arguments& in, int64_t count, int64_t depth, const int32_t* sizes, int64_t slices,
                         bool leaves_out) {
  const int32_t* ids = in.integers(times(count, depth), INT32_MIN, INT32_MAX + 1LL);
  if (slices > INT32_MAX) in.fail("names more slices than there can be");
  static thread_local std::vector<int32_t> found;
  found.resize(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; i++) {
    int64_t slice = 0;
    for (int64_t axis = 0; axis < depth; axis++) slice = slice * sizes[axis] + ids[i * depth + axis];
    const bool is_there = slice >= 0 && slice < slices;
    if (!is_there && !leaves_out) in.fail("names at " + std::to_string(i) + " a slice that is not there");
    found[static_cast<size_t>(i)] = is_there ? static_cast<int32_t>(slice) : -1;
  }
  return found.data();
}

// count, depth, sizes [depth], slice, ids [count, depth], x, y
void GatherNd(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Gather g = {};
  g.batch = g.outer = 1;
  g.count = in.size();
  const int64_t depth = in.size();
  const int32_t* sizes = in.integers(depth, 0, INT32_MAX);
  g.size = 1;
  for (int64_t axis = 0; axis < depth; axis++) g.size = times(g.size, sizes[axis]);
  g.slice = in.size();
  g.ids = slices_of(in, g.count, depth, sizes, g.size, false);
  const Arguments::Array x = in.array(times(g.size, g.slice));
  g.x = x.data, g.is_byte = x.type == ElementType::truths;
  g.y = in.array(times(g.count, g.slice), x.type);
  kernels->gather(g);
}

// add, or put; whether ids that name no slice are left out; count, depth, sizes [depth], slice, ids, x, y
void ScatterSlices(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Scatter s = {};
  s.kind = in.flag() ? Scatter::add : Scatter::put;
  const bool leaves_out = in.flag();
  s.count = in.size();
  const int64_t depth = in.size();
  const int32_t* sizes = in.integers(depth, 0, INT32_MAX);
  s.rows = 1;
  for (int64_t axis = 0; axis < depth; axis++) s.rows = times(s.rows, sizes[axis]);
  s.slice = in.size();
  s.ids = slices_of(in, s.count, depth, sizes, s.rows, leaves_out);
  const Arguments::Array x = in.array(times(s.count, s.slice));
  s.x = x.data, s.type = x.type;
  s.y = in.array(times(s.rows, s.slice), x.type);
  kernels->scatter(s);
}

// count, depth, on, off, ids, y
void OneHot(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t count = in.size(), depth = in.size();
  const double on = in.number(), off = in.number();
  const int32_t* ids = in.integers(count, INT32_MIN, INT32_MAX + 1LL);
  const Arguments::Array y = in.array(times(count, depth));
  kernels->one_hot(count, depth, bits_of(in, on, y.type), bits_of(in, off, y.type), ids,
                   y.type == ElementType::truths, y.data);
}

// rows, columns, k, x, values, indices
void TopK(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size(), k = in.size();
  if (k > columns || columns > INT32_MAX) in.fail("must be no more than there are columns");
  const Arguments::Array x = in.array(times(rows, columns));
  if (x.type == ElementType::truths) in.fail("must be numbers");
  void* values = in.array(times(rows, k), x.type);
  auto* indices = static_cast<int32_t*>(in.array(times(rows, k), ElementType::integers));
  kernels->top_k(rows, columns, k, x.type, x.data, values, indices);
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
  kernels->batch_product(p, batch);
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

/** Reads the plan of an elementwise program: whole numbers, each within its bounds. */
class Plan {
 public:
  Plan(const Arguments& in, const int32_t* words, size_t count) : in_(in), next_(words), end_(words + count) {}

  int32_t next(int32_t low, int32_t high) {
    const int32_t* word = some(1);
    if (*word < low || *word >= high) in_.fail("is no plan: it holds " + std::to_string(*word));
    return *word;
  }

  const int32_t* some(int count) {
    if (end_ - next_ < count) in_.fail("is no plan: it is too short");
    const int32_t* words = next_;
    next_ += count;
    return words;
  }

 private:
  const Arguments& in_;
  const int32_t *next_, *end_;
};

/** How many elements an input has at least, for all coordinates to be within it. */
int64_t extent_of(const Arguments& in, const ElementwiseInput& input, int64_t size) {
  int64_t product = 1, last = 0;
  for (int axis = 0; axis < input.rank; axis++) {
    if (input.sizes[axis] < 1 || input.strides[axis] < 0) in.fail("is no plan: a size or stride is negative");
    product = times(product, input.sizes[axis]);
    last += times(input.sizes[axis] - 1, input.strides[axis]);
  }
  if (product != size) in.fail("is no plan: the sizes of an input are not those of the result");
  return last + 1;
}

// plan, then the inputs' and the outputs' arrays. The plan: size, registers, inputs, steps, outputs; of each input
// type, rank, sizes, strides; of each step code, to, three registers to read, p, q; of each output type, register.
void Elementwise(const Napi::CallbackInfo& info) {
  constexpr int most = 256;
  static thread_local std::vector<ElementwiseInput> inputs;
  static thread_local std::vector<ElementwiseStep> steps;
  static thread_local std::vector<ElementwiseOutput> outputs;
  Arguments in(info);
  size_t count;
  const int32_t* words = in.words(count);
  Plan plan(in, words, count);
  ElementwiseProgram program = {};
  program.size = plan.next(0, INT32_MAX);
  program.registers = plan.next(1, most);
  inputs.resize(program.inputs = plan.next(0, program.registers));
  steps.resize(program.steps = plan.next(0, most));
  outputs.resize(program.outputs = plan.next(0, program.registers + 1));
  if (program.size == 0) return;
  for (ElementwiseInput& input : inputs) {
    input.type = static_cast<ElementType>(plan.next(0, 3));
    input.rank = plan.next(1, 9);
    input.sizes = plan.some(input.rank), input.strides = plan.some(input.rank);
  }
  for (ElementwiseStep& step : steps) {
    step.code = plan.next(0, ELEMENTWISE_COUNT);
    step.to = plan.next(program.inputs, program.registers);
    for (int& from : step.from) from = plan.next(0, program.registers);
    std::memcpy(&step.p, plan.some(1), sizeof step.p), std::memcpy(&step.q, plan.some(1), sizeof step.q);
  }
  for (ElementwiseOutput& output : outputs) {
    output.type = static_cast<ElementType>(plan.next(0, 3));
    output.from = plan.next(program.inputs, program.registers);
  }
  for (ElementwiseInput& input : inputs)
    input.data = in.elements_of(input.type, extent_of(in, input, program.size));
  for (ElementwiseOutput& output : outputs) output.data = in.elements_of(output.type, program.size);
  program.input = inputs.data(), program.step = steps.data(), program.output = outputs.data();
  kernels->elementwise(program);
}

// -> the names of the operations, in the order of their numbers
Napi::Value ElementwiseNames(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (int i = 0; i < ELEMENTWISE_COUNT; i++) names[static_cast<uint32_t>(i)] = ELEMENTWISE_NAMES[i];
  return names;
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
  return new_buffer(info.Env(), in.size());
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
  add("gated", guarded<GatedForward>);
  add("gatedGradient", guarded<GatedGradient>);
  add("rmsNorm", guarded<RmsNorm>);
  add("rmsNormGradient", guarded<RmsNormGradient>);
  add("crossEntropy", guarded<CrossEntropy>);
  add("crossEntropyGradient", guarded<CrossEntropyGradient>);
  add("embedding", guarded<Embedding>);
  add("embeddingGradient", guarded<EmbeddingGradient>);
  add("copy", guarded<Copy>);
  add("fill", guarded<Fill>);
  add("reduce", guarded<Reduce>);
  add("softmax", guarded<Softmax>);
  add("running", guarded<RunningAlong>);
  add("gather", guarded<GatherSlices>);
  add("gatherNd", guarded<GatherNd>);
  add("scatter", guarded<ScatterSlices>);
  add("oneHot", guarded<OneHot>);
  add("topK", guarded<TopK>);
  add("batchedProduct", guarded<BatchedProduct>);
  add("rotary", guarded<Rotary>);
  add("dropout", guarded<DropoutForward>);
  add("add", guarded<Add>);
  add("addScaled", guarded<AddScaled>);
  add("scale", guarded<Scale>);
  add("sumOuter", guarded<SumOuter>);
  add("elementwise", guarded<Elementwise>);
  add("elementwiseNames", guarded<ElementwiseNames>);
  add("adamwStep", guarded<AdamWStep>);
  add("globalNorm", guarded<GlobalNorm>);
  add("rowProduct", guarded<RowProduct>);
  add("keepMatrix", guarded<KeepMatrix>);
  add("keptProduct", guarded<KeptProduct>);
  add("nextAttention", guarded<NextAttention>);
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
