// Streams and events of copies beside what is computed.
#pragma once

#include <cstddef>
#include <vector>

#include "cuda_driver_gpu.h"

namespace hayate {

// A stream that goes before others: what little it does is waited for. Streams of one priority may share a queue of the
// hardware, in which one that waits holds up another; those that copy must not stand behind the one that computes.
class GpuCopyStream {
 public:
  GpuCopyStream();
  ~GpuCopyStream();
  GpuCopyStream(const GpuCopyStream&) = delete;

  cuda::Stream get() const { return stream_; }
  void Finish() const;

 private:
  const cuda::Driver& driver_;
  cuda::Stream stream_ = nullptr;
};

// Events to be used again and again.
class GpuEvents {
 public:
  // `flags` are of cuda_driver_gpu.h.
  explicit GpuEvents(unsigned flags) : driver_(cuda::Load()), flags_(flags) {}
  ~GpuEvents();
  GpuEvents(const GpuEvents&) = delete;

  cuda::Event Take();
  // One that is in the order of the stream.
  cuda::Event Record(cuda::Stream stream);
  void GiveBack(cuda::Event event) { spare_.push_back(event); }
  bool HasHappened(cuda::Event event) const;

 private:
  const cuda::Driver& driver_;
  const unsigned flags_;
  std::vector<cuda::Event> made_, spare_;
};

}  // namespace hayate
