// Selects the variant for this processor.
#include <cstring>
#include <string>
#include <vector>

#include "kernels.h"
#include "processor.h"

#ifdef ESPALIER_HAS_amxbf16
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace espalier {

#define ESPALIER_DECLARE(variant) \
  namespace variant {             \
  const Kernels& kernels();       \
  }
ESPALIER_DECLARE(portable)
#ifdef ESPALIER_HAS_avx2
ESPALIER_DECLARE(avx2)
#endif
#ifdef ESPALIER_HAS_avx512
ESPALIER_DECLARE(avx512)
#endif
#ifdef ESPALIER_HAS_avx512bf16
ESPALIER_DECLARE(avx512bf16)
#endif
#ifdef ESPALIER_HAS_amxbf16
ESPALIER_DECLARE(amxbf16)
#endif

namespace {

#ifdef ESPALIER_HAS_amxbf16
/**
 * Returns true if the processor has tiles, the system saves them, and Linux lets this process use them
 * (Documentation/arch/x86/xstate.rst).
 */
bool may_use_tiles() {
#ifdef ESPALIER_EMULATE_TILES
  return true;
#else
  constexpr long request_permission = 0x1023, tile_data = 18;
  return processor().tiles && syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#endif
}

/** Checks a product of small integers, which every variant must compute exactly. */
bool multiplies_right(const Kernels& kernels) {
  constexpr int64_t size = 37;
  std::vector<float> a(size * size), b(size * size), c(size * size);
  for (int64_t i = 0; i < size * size; i++) a[i] = static_cast<float>(i % 7 - 3), b[i] = static_cast<float>(i % 5 - 2);
  Product product = {};
  product.m = product.n = product.k = size;
  product.a = {a.data(), size, 1}, product.b = {b.data(), size, 1};
  product.c = c.data();
  product.precision = Precision::bf16;
  kernels.product(product);
  for (int64_t i = 0; i < size; i++)
    for (int64_t j = 0; j < size; j++) {
      float sum = 0;
      for (int64_t k = 0; k < size; k++) sum += a[i * size + k] * b[k * size + j];
      if (c[i * size + j] != sum) return false;
    }
  return true;
}
#endif

/** Best first; the portable one, which is NEON on ARM, is always available. */
std::vector<const Kernels*> working_variants() {
  std::vector<const Kernels*> found;
#ifdef ESPALIER_HAS_amxbf16
  if (may_use_tiles() && multiplies_right(amxbf16::kernels())) found.push_back(&amxbf16::kernels());
#endif
#ifdef ESPALIER_HAS_avx512bf16
  if (processor().avx512bf16) found.push_back(&avx512bf16::kernels());
#endif
#ifdef ESPALIER_HAS_avx512
  if (processor().avx512) found.push_back(&avx512::kernels());
#endif
#ifdef ESPALIER_HAS_avx2
  if (processor().avx2) found.push_back(&avx2::kernels());
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

Bf16Products bf16_products(const Kernels& kernels) {
  if (std::strcmp(kernels.name, "amxbf16") == 0) return Bf16Products::tiles;
  return std::strcmp(kernels.name, "avx512bf16") == 0 ? Bf16Products::pairs : Bf16Products::floats;
}

const char* processor_vendor() {
#if defined(__x86_64__)
  static const std::string vendor = [] {
    unsigned most, text[3] = {};
    __get_cpuid(0, &most, &text[0], &text[2], &text[1]);
    return std::string(reinterpret_cast<const char*>(text), sizeof text);
  }();
  return vendor.c_str();
#else
  return "";
#endif
}

}  // namespace espalier
