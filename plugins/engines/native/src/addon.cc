// The addon: memory, threads and variants, plus the functions of each file of calls.
#include <string>

#include "aligned_memory.h"
#include "arguments.h"
#include "calls.h"
#include "threads.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace espalier {
namespace {

// Node threads that load this addon share its memory, but each selects its own variant.
thread_local const Kernels* used = select_kernels(nullptr);

/** Allocations of at least this size start on a large page's boundary. */
constexpr size_t LARGE_PAGE = 2 << 20, WORTH_LARGE_PAGES = 2 * LARGE_PAGE;

/** Moves memory to large pages while others may use it. */
class LargePages : public Napi::AsyncWorker {
 public:
  explicit LargePages(Napi::ArrayBuffer buffer)
      : AsyncWorker(buffer.Env()), kept_(Napi::Persistent<Napi::ArrayBuffer>(buffer)),
        deferred_(Napi::Promise::Deferred::New(buffer.Env())), data_(buffer.Data()), bytes_(buffer.ByteLength()) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
#if defined(__linux__) && defined(MADV_COLLAPSE)
    // If the system has no such pages, or none are free, the memory stays as it is.
    const size_t whole = bytes_ / LARGE_PAGE * LARGE_PAGE;
    if (bytes_ < WORTH_LARGE_PAGES || reinterpret_cast<uintptr_t>(data_) % LARGE_PAGE != 0) return;
    madvise(data_, whole, MADV_HUGEPAGE);
    madvise(data_, whole, MADV_COLLAPSE);
#endif
  }

  void OnOK() override { deferred_.Resolve(Env().Undefined()); }

 private:
  Napi::Reference<Napi::ArrayBuffer> kept_;
  Napi::Promise::Deferred deferred_;
  void* data_;
  size_t bytes_;
};

// bytes, use large pages at once -> ArrayBuffer, not cleared, aligned to a cache line
Napi::Value Allocate(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t bytes = in.size();
  return new_buffer(info.Env(), bytes, in.flag());
}

// buffer -> a promise; runs in a thread of its own
Napi::Value UseLargePages(const Napi::CallbackInfo& info) {
  Arguments in(info);
  auto* worker = new LargePages(in.buffer());
  worker->Queue();
  return worker->promise();
}

// threads
void SetThreads(const Napi::CallbackInfo& info) {
  constexpr int64_t most = 1024;
  Arguments in(info);
  const int64_t threads = in.size();
  if (threads < 1 || threads > most) in.fail("must be a number of threads from 1 to " + std::to_string(most));
  set_thread_count(static_cast<int>(threads));
}

// name, or "" for the best -> the selected variant
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
  exports.add<UseLargePages>("useLargePages");
  exports.add<SetThreads>("setThreads");
  exports.add<UseVariant>("useVariant");
  exports.add<Variants>("variants");
  return object;
}

}  // namespace

const Kernels& kernels() { return *used; }

Napi::ArrayBuffer new_buffer(Napi::Env env, int64_t bytes, bool large_pages) {
  constexpr size_t line = 64;
  const size_t alignment = static_cast<size_t>(bytes) >= WORTH_LARGE_PAGES ? LARGE_PAGE : line;
  const size_t whole = (static_cast<size_t>(bytes) + alignment) / alignment * alignment;
  void* data = allocate_aligned(alignment, whole);
  if (data == nullptr)
    throw Napi::RangeError::New(env, "out of memory: " + std::to_string(bytes) + " bytes are needed for a tensor");
#ifdef __linux__
  if (large_pages && alignment == LARGE_PAGE) madvise(data, whole, MADV_HUGEPAGE);
#endif
  return Napi::ArrayBuffer::New(env, data, static_cast<size_t>(bytes),
                                [](Napi::Env, void* memory) { free_aligned(memory); });
}

}  // namespace espalier

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return espalier::initialize(env, exports); }
NODE_API_MODULE(espalier, Init)
