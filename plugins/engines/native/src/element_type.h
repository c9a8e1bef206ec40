#pragma once

#include <cstdint>

namespace espalier {

/** Element types in memory. Booleans are bytes, 0 or 1. */
enum class ElementType : int32_t { floats, integers, truths };

}  // namespace espalier
