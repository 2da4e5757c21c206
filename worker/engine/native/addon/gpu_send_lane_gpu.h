// One way from a GPU to its host: what goes there arrives in order.
#pragma once

#include <cstdint>
#include <deque>

#include "gpu_streams_gpu.h"

namespace hayate {

class GpuSendLane {
 public:
  // `compute` is the stream that tensors are computed on.
  explicit GpuSendLane(cuda::Stream compute);
  GpuSendLane(const GpuSendLane&) = delete;

  // The stream to copy on, which waits for everything that is computed until now.
  cuda::Stream Follow();
  // What was copied since the last mark is numbered, from 1.
  uint64_t Mark();
  uint64_t marked() const { return marked_; }

  bool Arrived(uint64_t number);
  void Wait(uint64_t number);
  // What is computed from now on waits for that to arrive.
  void HoldUpCompute(uint64_t number);
  void Finish() const { stream_.Finish(); }

 private:
  const cuda::Driver& driver_;
  const cuda::Stream compute_;
  GpuEvents events_;
  const cuda::Event computed_;
  GpuCopyStream stream_;
  // Behind each mark that has not arrived.
  std::deque<cuda::Event> sending_;
  uint64_t marked_ = 0, arrived_ = 0, awaited_ = 0;
};

}  // namespace hayate
