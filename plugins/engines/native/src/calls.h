// The addon's functions for JavaScript: a file for each subject adds its own.
#pragma once

#include <napi.h>

#include <cstdint>
#include <new>
#include <string>
#include <system_error>

#include "kernels.h"

namespace espalier {

/** The variant that this thread of Node uses. */
const Kernels& kernels();

/** Memory that is not cleared. @param large_pages where it is large; they take long to be had */
Napi::ArrayBuffer new_buffer(Napi::Env env, int64_t bytes, bool large_pages = true);

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

/** Takes functions up under the names that they have in JavaScript. */
class Exports {
 public:
  explicit Exports(Napi::Object exports) : exports_(exports) {}

  template <auto Function>
  void add(const char* name) {
    exports_[name] = Napi::Function::New(exports_.Env(), guarded<Function>, name);
  }

 private:
  Napi::Object exports_;
};

void add_products(Exports&);
void add_attention(Exports&);
void add_layers(Exports&);
void add_arrays(Exports&);
void add_elementwise(Exports&);
void add_optimizer(Exports&);

}  // namespace espalier
