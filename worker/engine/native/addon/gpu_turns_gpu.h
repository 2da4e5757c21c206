// Copies of which large ones let small ones in between.
#pragma once

#include <cstddef>

#include "cuda_driver_gpu.h"
#include "gpu_words_gpu.h"

namespace hayate {

// A copy up to this size is small.
inline constexpr size_t kSmallCopyBytes = 4 << 20;

// The engine that copies goes on with one stream as long as there is anything to do in it: on an H200 1 MiB that was ready
// 1 ms after a copy of 256 MiB had begun stood behind it for 4 ms, whatever the priorities of their streams. Where the other
// stream has to wait, even for what has happened long ago, the engine turns to the next one. So a large copy is done in
// pieces with such a wait before each: 0.2 ms then, for 4 % of the speed of the large one (pieces of 32 MiB: 0.4 ms and
// 2 %). A kernel that copies would start at once, but takes room from those that compute while it waits for the bus: with
// those ResNet-50's steps took 7 % longer, and VGG-16's 3 %.
class GpuTurns {
 public:
  GpuTurns() : driver_(cuda::Load()) {}

  void ToHost(void* to, cuda::Pointer from, size_t bytes, cuda::Stream stream);
  void ToDevice(cuda::Pointer to, const void* from, size_t bytes, cuda::Stream stream);

 private:
  template <typename Copy>
  void InPieces(size_t bytes, cuda::Stream stream, Copy copy);

  const cuda::Driver& driver_;
  // The first of them is waited for: it is never less than 0.
  GpuWords words_;
  // Some drivers cannot wait for a word; then copies are whole.
  bool can_wait_ = true;
};

}  // namespace hayate
