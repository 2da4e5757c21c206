// One way from a GPU to its host: what goes there arrives in order.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "gpu_streams_gpu.h"

namespace hayate {

class GpuSendLane {
 public:
  using Holds = std::vector<std::function<void()>>;

  // `compute` is the stream that tensors are computed on.
  explicit GpuSendLane(cuda::Stream compute);
  GpuSendLane(const GpuSendLane&) = delete;

  // The stream to copy on, which waits for everything that is computed until now.
  cuda::Stream Follow();
  // What was copied since the last mark is numbered, from 1; `holds` live until it has arrived.
  uint64_t Mark(Holds holds = {});
  uint64_t next() const { return marked_ + 1; }

  // A number that is not marked yet has not arrived.
  bool Arrived(uint64_t number);
  bool IsIdle() { return Arrived(marked_); }
  void Wait(uint64_t number);
  // What is computed from now on waits for a marked number to arrive.
  void HoldUpCompute(uint64_t number);
  void Finish() const { stream_.Finish(); }

 private:
  struct Sending {
    cuda::Event arrived;
    Holds holds;
  };

  const cuda::Driver& driver_;
  const cuda::Stream compute_;
  GpuEvents events_;
  const cuda::Event computed_;
  GpuCopyStream stream_;
  std::deque<Sending> sending_;
  uint64_t marked_ = 0, arrived_ = 0;
};

}  // namespace hayate
