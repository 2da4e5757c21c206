#include "gpu_turns_gpu.h"

#include <algorithm>

namespace hayate {
namespace {

using cuda::Check;

constexpr size_t kPieceBytes = 8 << 20;

}  // namespace

void GpuTurns::ToHost(void* to, cuda::Pointer from, size_t bytes, cuda::Stream stream) {
  InPieces(bytes, stream, [&](size_t first, size_t piece) {
    Check(driver_.to_host(static_cast<char*>(to) + first, from + first, piece, stream), "sending from the GPU");
  });
}

void GpuTurns::ToDevice(cuda::Pointer to, const void* from, size_t bytes, cuda::Stream stream) {
  InPieces(bytes, stream, [&](size_t first, size_t piece) {
    Check(driver_.to_device(to + first, static_cast<const char*>(from) + first, piece, stream), "receiving on the GPU");
  });
}

template <typename Copy>
void GpuTurns::InPieces(size_t bytes, cuda::Stream stream, Copy copy) {
  if (bytes <= kSmallCopyBytes) return copy(0, bytes);
  for (size_t first = 0, piece = 0; first < bytes; first += piece) {
    if (can_wait_) can_wait_ = driver_.wait_value(stream, words_.AddressOf(0), 0, cuda::kWaitAtLeast) == cuda::kSuccess;
    piece = can_wait_ ? std::min(bytes - first, kPieceBytes) : bytes - first;
    copy(first, piece);
  }
}

}  // namespace hayate
