// Bytes between a GPU and its host in the order of what is computed.
#pragma once

#include <vector>

#include "cuda_driver_gpu.h"
#include "device.h"

namespace hayate {

class GpuTransfers {
 public:
  // `compute` is the stream that tensors are computed on.
  explicit GpuTransfers(cuda::Stream compute) : driver_(cuda::Load()), compute_(compute) {}
  ~GpuTransfers();
  GpuTransfers(const GpuTransfers&) = delete;

  // Copies to the GPU; `from` may change when this returns, which may wait for earlier copies if it may wait at all.
  void Fill(const Region& to, const void* from, bool may_wait);
  // Waits until the bytes are there.
  void Read(const Region& from, void* to);

 private:
  struct Stage {
    char* memory;
    cuda::Event copied;
  };

  // Page-locked memory that nothing is being copied from.
  const Stage& FreeStage(bool may_wait);

  const cuda::Driver& driver_;
  const cuda::Stream compute_;
  std::vector<Stage> stages_;
  size_t next_stage_ = 0;
};

}  // namespace hayate
