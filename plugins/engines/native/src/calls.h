// The addon's functions for JavaScript; each file of calls adds its own.
#pragma once

#include <napi.h>

#include <cstdint>
#include <new>
#include <string>
#include <system_error>

#include "kernels.h"

namespace espalier {

/** The variant that this Node thread uses. */
const Kernels& kernels();

/**
 * Allocates memory that is not cleared. @param large_pages use large pages for large memory, which takes long to
 * allocate
 */
Napi::ArrayBuffer new_buffer(Napi::Env env, int64_t bytes, bool large_pages = true);

/** Turns errors in a kernel, such as a lack of memory, into JavaScript errors. */
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

/** Exports functions under their JavaScript names. */
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
