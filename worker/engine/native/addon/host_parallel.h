// How kernels of the host use its registers and its cores.
#pragma once

#include <algorithm>
#include <cstdint>

#include "threads.h"

// One version an instruction set. What is written so gives the same bits in all of them: comparisons, and products and
// sums whose order the source says.
#define HAYATE_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))

namespace hayate {

// Elements that are worth a thread: they take longer than handing them to it.
constexpr int64_t kElementsPerThread = 1 << 16;

// Runs body(first, last) over parts of [0, count); each of the `count` items has `size` elements.
template <typename Body>
void Parallel(int threads, int64_t count, int64_t size, const Body& body) {
  const int64_t parts = std::min<int64_t>({threads, count, std::max<int64_t>(1, count * size / kElementsPerThread)});
  InParallel(static_cast<int>(parts), [&](int part) { body(count * part / parts, count * (part + 1) / parts); });
}

}  // namespace hayate
