// The addon: memory, threads and variants, and what the files of calls add to it.
#include <cstdlib>
#include <string>

#include "arguments.h"
#include "calls.h"
#include "threads.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace espalier {
namespace {

// Threads of Node that load this addon share its memory, but each chooses its own variant.
thread_local const Kernels* used = select_kernels(nullptr);

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
  used = chosen;
  Napi::Object answer = Napi::Object::New(info.Env());
  answer["name"] = chosen->name;
  constexpr const char* ways[] = {"tiles", "pairs", "floats"};
  answer["bf16"] = ways[static_cast<int>(bf16_products(*chosen))];
  answer["vendor"] = processor_vendor();
  return answer;
}

Napi::Value Variants(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  uint32_t index = 0;
  for (const char* const* name = available_kernels(); *name != nullptr; name++) names[index++] = *name;
  return names;
}

Napi::Object initialize(Napi::Env, Napi::Object object) {
  Exports exports(object);
  add_products(exports);
  add_attention(exports);
  add_layers(exports);
  add_arrays(exports);
  add_elementwise(exports);
  add_optimizer(exports);
  exports.add<Allocate>("allocate");
  exports.add<SetThreads>("setThreads");
  exports.add<UseVariant>("useVariant");
  exports.add<Variants>("variants");
  return object;
}

}  // namespace

const Kernels& kernels() { return *used; }

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

}  // namespace espalier

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return espalier::initialize(env, exports); }
NODE_API_MODULE(espalier, Init)
