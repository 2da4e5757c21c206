// Memory of the host that copies go to and come from: page-locked, and known to the GPU.
#pragma once

#include <map>

#include "cuda_driver_gpu.h"

namespace hayate {

class GpuPinned {
 public:
  GpuPinned() : driver_(cuda::Load()) {}
  // Nothing may be copied any more.
  ~GpuPinned();
  GpuPinned(const GpuPinned&) = delete;

  void Pin(void* memory, size_t bytes);
  // Nothing may be copied there any more.
  void Unpin(void* memory);
  // Address on the GPU of `bytes` bytes of the host, or null where they are not pinned.
  float* OnGpu(const void* memory, size_t bytes) const;

 private:
  struct Pinned {
    size_t bytes;
    // Its address on the GPU, or 0.
    cuda::Pointer address;
  };

  const cuda::Driver& driver_;
  std::map<const char*, Pinned> pinned_;
};

}  // namespace hayate
