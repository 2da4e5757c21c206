#include "gpu_send_lane_gpu.h"

#include <chrono>

namespace hayate {
namespace {

using cuda::Check;

// A thread that sleeps wakes up 50 µs late; it does not go to sleep for less than this.
constexpr std::chrono::milliseconds kAwake{2};

}  // namespace

GpuSendLane::GpuSendLane(cuda::Stream compute)
    : driver_(cuda::Load()),
      compute_(compute),
      events_(cuda::kEventDisableTiming | cuda::kEventBlockingSync),
      computed_(events_.Take()) {}

cuda::Stream GpuSendLane::Follow() {
  Check(driver_.event_record(computed_, compute_), "sending from the GPU");
  Check(driver_.stream_wait(stream_.get(), computed_, 0), "sending from the GPU");
  return stream_.get();
}

uint64_t GpuSendLane::Mark() {
  sending_.push_back(events_.Record(stream_.get()));
  return ++marked_;
}

bool GpuSendLane::Arrived(uint64_t number) {
  while (number > arrived_ && !sending_.empty() && events_.HasHappened(sending_.front())) {
    arrived_ += 1;
    events_.GiveBack(sending_.front());
    sending_.pop_front();
  }
  return number <= arrived_;
}

void GpuSendLane::Wait(uint64_t number) {
  const auto asleep = std::chrono::steady_clock::now() + kAwake;
  while (!Arrived(number)) {
    if (std::chrono::steady_clock::now() < asleep) continue;
    Check(driver_.event_synchronize(sending_.front()), "waiting for the GPU");
  }
}

void GpuSendLane::HoldUpCompute(uint64_t number) {
  if (number <= awaited_ || Arrived(number)) return;
  awaited_ = number;  // and everything before
  const cuda::Event arrived = sending_[number - arrived_ - 1];
  Check(driver_.stream_wait(compute_, arrived, 0), "waiting for what is sent from the GPU");
}

}  // namespace hayate
