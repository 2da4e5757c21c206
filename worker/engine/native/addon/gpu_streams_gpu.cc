#include "gpu_streams_gpu.h"

namespace hayate {

using cuda::Check;

GpuCopyStream::GpuCopyStream() : driver_(cuda::Load()) {
  int least = 0, greatest = 0;
  Check(driver_.priority_range(&least, &greatest), "making a stream");
  Check(driver_.stream_create(&stream_, cuda::kStreamNonBlocking, greatest), "making a stream");
}

GpuCopyStream::~GpuCopyStream() {
  driver_.stream_synchronize(stream_);
  driver_.stream_destroy(stream_);
}

void GpuCopyStream::Finish() const { Check(driver_.stream_synchronize(stream_), "waiting for the GPU"); }

GpuEvents::~GpuEvents() {
  for (const cuda::Event event : made_) driver_.event_destroy(event);
}

cuda::Event GpuEvents::Take() {
  if (spare_.empty()) {
    Check(driver_.event_create(&made_.emplace_back(nullptr), flags_), "making an event");
    return made_.back();
  }
  const cuda::Event event = spare_.back();
  spare_.pop_back();
  return event;
}

cuda::Event GpuEvents::Record(cuda::Stream stream) {
  const cuda::Event event = Take();
  Check(driver_.event_record(event, stream), "marking a place in the order of the GPU");
  return event;
}

bool GpuEvents::HasHappened(cuda::Event event) const {
  const cuda::Result result = driver_.event_query(event);
  if (result != cuda::kNotReady) Check(result, "asking how far the GPU is");
  return result != cuda::kNotReady;
}

}  // namespace hayate
