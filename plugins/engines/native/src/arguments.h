// Arguments from JavaScript: each is checked here, and errors throw.
#pragma once

#include <napi.h>

#include <cstdint>
#include <iterator>
#include <new>
#include <string>

#include "kernels.h"

namespace espalier {

/** a * b, for sizes whose product must not overflow. */
inline int64_t times(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) throw std::bad_alloc();
  return product;
}

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

  /** Numbers of query heads and of key and value heads, and their width. */
  Heads heads() {
    const int64_t queries = size(), keys = size();
    if (keys == 0 || queries % keys != 0) fail("must divide the heads of queries");
    return {queries, keys, size()};
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

  /** Any int32 numbers; null where there are none. */
  const int32_t* optional_integers(int64_t count) {
    const Napi::Value value = next();
    if (value.IsUndefined()) return nullptr;
    return static_cast<const int32_t*>(elements(value, napi_int32_array, count, "must be an Int32Array"));
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

  /** At least `count` elements of the given type, which an elementwise operation reads or writes. */
  void* elements_of(ElementType type, int64_t count) {
    const Array found = array();
    if (found.type != type) fail("must be an array of the elements' type: the tensor is disposed, or of another type");
    if (found.length < count)
      fail("has " + std::to_string(found.length) + " elements, the shape needs " + std::to_string(count));
    return found.data;
  }

  Napi::ArrayBuffer buffer() {
    const Napi::Value value = next();
    if (!value.IsArrayBuffer()) fail("must be an ArrayBuffer");
    return value.As<Napi::ArrayBuffer>();
  }

  /** Memory of at least `bytes` bytes. */
  void* buffer(int64_t bytes) {
    Napi::ArrayBuffer memory = buffer();
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

  /** An unsigned 32-bit integer. */
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

  /** The data of a typed array with `count` elements of that type; otherwise fails with `what`. */
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

}  // namespace espalier
