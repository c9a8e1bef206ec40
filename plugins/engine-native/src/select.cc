// Which variant runs on this processor.
#include <cstring>
#include <vector>

#include "kernels.h"

namespace espalier {

namespace portable {
const Kernels& kernels();
}
#ifdef ESPALIER_X86
namespace avx2 {
const Kernels& kernels();
}
namespace avx512 {
const Kernels& kernels();
}
namespace avx512bf16 {
const Kernels& kernels();
}
#endif

namespace {

/** Best first; the portable one, which on ARM is NEON, is always there. */
std::vector<const Kernels*> working_variants() {
  std::vector<const Kernels*> found;
#ifdef ESPALIER_X86
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512 && __builtin_cpu_supports("avx512bf16")) found.push_back(&avx512bf16::kernels());
  if (avx512) found.push_back(&avx512::kernels());
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&avx2::kernels());
#endif
  found.push_back(&portable::kernels());
  return found;
}

const std::vector<const Kernels*>& variants() {
  static const std::vector<const Kernels*> all = working_variants();
  return all;
}

}  // namespace

const Kernels* select_kernels(const char* name) {
  if (name == nullptr) return variants().front();
  for (const Kernels* variant : variants())
    if (std::strcmp(variant->name, name) == 0) return variant;
  return nullptr;
}

const char* const* available_kernels() {
  static const std::vector<const char*> names = [] {
    std::vector<const char*> all;
    for (const Kernels* variant : variants()) all.push_back(variant->name);
    all.push_back(nullptr);
    return all;
  }();
  return names.data();
}

bool multiplies_bf16(const Kernels& kernels) { return std::strstr(kernels.name, "bf16") != nullptr; }

}  // namespace espalier
