#pragma once

#include <cstdint>

namespace espalier {

/** Numbers in memory. Truths are bytes, 0 or 1. */
enum class ElementType : int32_t { floats, integers, truths };

}  // namespace espalier
