// Words of the host's memory that a GPU waits for.
#pragma once

#include <cstdint>

#include "cuda_driver_gpu.h"

namespace hayate {

class GpuWords {
 public:
  static constexpr uint32_t kWords = 16384;

  // All of them are 0.
  GpuWords();
  ~GpuWords();
  GpuWords(const GpuWords&) = delete;

  cuda::Pointer AddressOf(uint32_t word) const { return on_gpu_ + word * sizeof(uint32_t); }
  // Whatever waits for one of them goes on, now and later. Happens when the process exits too: a GPU that still waits
  // would hold it up for ever.
  void Release();

 private:
  const cuda::Driver& driver_;
  volatile uint32_t* memory_ = nullptr;
  cuda::Pointer on_gpu_ = 0;
};

}  // namespace hayate
