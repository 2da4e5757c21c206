// Places in the order of a stream, and the time between them.
#pragma once

#include <cstddef>
#include <vector>

#include "cuda_driver_gpu.h"
#include "failure.h"

namespace hayate {

class GpuClock {
 public:
  explicit GpuClock(cuda::Stream stream) : driver_(cuda::Load()), stream_(stream) {}
  ~GpuClock() { Clear(); }
  GpuClock(const GpuClock&) = delete;
  GpuClock& operator=(const GpuClock&) = delete;

  // Marks this place; returns its number.
  size_t Mark() {
    cuda::Event event = nullptr;
    cuda::Check(driver_.event_create(&event, 0), "marking the time");
    cuda::Check(driver_.event_record(event, stream_), "marking the time");
    marks_.push_back(event);
    return marks_.size() - 1;
  }
  // Milliseconds; waits for both.
  double Between(size_t from, size_t to) const {
    if (from >= marks_.size() || to >= marks_.size()) Refuse("there is no such mark");
    float milliseconds = 0;
    for (const size_t at : {from, to}) cuda::Check(driver_.event_synchronize(marks_[at]), "waiting for the GPU");
    cuda::Check(driver_.event_elapsed(&milliseconds, marks_[from], marks_[to]), "reading the time");
    return milliseconds;
  }
  void Clear() {
    for (const cuda::Event event : marks_) driver_.event_destroy(event);
    marks_.clear();
  }

 private:
  const cuda::Driver& driver_;
  const cuda::Stream stream_;
  std::vector<cuda::Event> marks_;
};

}  // namespace hayate
