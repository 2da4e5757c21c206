#include "gpu_turns_gpu.h"

#include <algorithm>
#include <cstdint>

namespace hayate {
namespace {

using cuda::Check;

constexpr size_t kPieceBytes = 8 << 20;

}  // namespace

GpuTurns::GpuTurns() : driver_(cuda::Load()) {
  const unsigned flags = cuda::kHostPortable | cuda::kHostMapped;
  Check(driver_.host_allocate(&word_, sizeof(uint32_t), flags), "allocating page-locked memory");
  *static_cast<uint32_t*>(word_) = 0;
  Check(driver_.host_address(&on_gpu_, word_, 0), "allocating page-locked memory");
}

GpuTurns::~GpuTurns() { driver_.host_free(word_); }

void GpuTurns::ToHost(void* to, cuda::Pointer from, size_t bytes, cuda::Stream stream) {
  for (size_t done = 0, piece = 0; done < bytes; done += piece) {
    piece = Piece(bytes - done, stream);
    Check(driver_.to_host(static_cast<char*>(to) + done, from + done, piece, stream), "sending from the GPU");
  }
}

void GpuTurns::ToDevice(cuda::Pointer to, const void* from, size_t bytes, cuda::Stream stream) {
  for (size_t done = 0, piece = 0; done < bytes; done += piece) {
    piece = Piece(bytes - done, stream);
    Check(driver_.to_device(to + done, static_cast<const char*>(from) + done, piece, stream), "receiving on the GPU");
  }
}

size_t GpuTurns::Piece(size_t bytes, cuda::Stream stream) {
  if (can_wait_) can_wait_ = driver_.wait_value(stream, on_gpu_, 0, cuda::kWaitAtLeast) == cuda::kSuccess;
  return can_wait_ ? std::min(bytes, kPieceBytes) : bytes;
}

}  // namespace hayate
