// How to find out whether an algorithm for convolutions rounds factors to less than float32.
#pragma once

#include <cstdint>
#include <optional>

#include "convolution.h"

namespace hayate {

// One of the two factors is kProbed everywhere, the other one 0 but for a single 1: at one place of the product there is
// kProbed alone then, in whatever order sums are taken. The one with the single 1 is the filter, or upstream where the
// filter's gradient is the product.
struct PrecisionProbe {
  // Where the 1 is, and where in the product to look.
  int64_t one, result;
};

// TF32 has 10 bits behind the point, bfloat16 7 and half precision 10: all of them round this to 1.
inline constexpr float kProbed = 1 + 0x1p-12f;

// None where no window reaches the image.
std::optional<PrecisionProbe> ProbeOf(const Convolution& convolution);

// Whether that is what float32 may give. Algorithms that transform their factors, as Winograd's do, are off by some 1e-6.
bool IsFloat32(float result);

}  // namespace hayate
