#include "gpu_arrivals_gpu.h"

#include "failure.h"

namespace hayate {

using cuda::Check;

GpuArrivals::GpuArrivals(cuda::Stream compute)
    : driver_(cuda::Load()), compute_(compute), events_(cuda::kEventDisableTiming), times_(0) {
  can_wait_ = driver_.write_value(small_.get(), words_.AddressOf(0), 0, 0) == cuda::kSuccess &&
              driver_.wait_value(small_.get(), words_.AddressOf(0), 0, cuda::kWaitAtLeast) == cuda::kSuccess;
}

GpuArrivals::~GpuArrivals() {
  Abandon();
  // Copies may be under way to memory that `expected_` holds.
  for (const cuda::Stream stream : {compute_, small_.get(), large_.get()}) driver_.stream_synchronize(stream);
}

GpuArrivals::Expected& GpuArrivals::Find(Ticket expected) {
  const auto found = expected_.find(expected);
  if (found == expected_.end()) Refuse("nothing is expected as " + std::to_string(expected));
  return found->second;
}

Ticket GpuArrivals::Expect(const Region& place, bool is_vacant, Hold hold) {
  // Whoever had this memory before may still have kernels waiting to read it.
  const cuda::Event vacant = is_vacant ? nullptr : events_.Record(compute_);
  expected_[++told_] = {place, vacant, nullptr, 0, 0, std::move(hold)};
  return told_;
}

bool GpuArrivals::Bring(Ticket ticket, const void* from, size_t bytes) {
  Expected& expected = Find(ticket);
  if (expected.filled != nullptr) Refuse("what was expected has been brought already");
  if (bytes != expected.place.bytes) {
    Refuse(std::to_string(bytes) + " bytes come where " + std::to_string(expected.place.bytes) + " are expected");
  }
  if (expected.vacant != nullptr) {
    // A copy that waited for this on a stream would hold up the copies behind it, which may have to come first.
    if (!events_.HasHappened(expected.vacant)) return false;
    events_.GiveBack(expected.vacant);
    expected.vacant = nullptr;
  }
  const cuda::Stream stream = (bytes > kSmallCopyBytes ? large_ : small_).get();
  turns_.ToDevice(reinterpret_cast<cuda::Pointer>(expected.place.start), from, bytes, stream);
  if (expected.value == 0) {
    expected.filled = events_.Record(stream);
    return true;
  }
  Check(driver_.write_value(stream, words_.AddressOf(expected.word), expected.value, 0), "receiving on the GPU");
  waiting_ -= 1;
  expected_.erase(ticket);
  return true;
}

bool GpuArrivals::Settle(Ticket ticket) {
  Expected& expected = Find(ticket);
  if (expected.value != 0) Refuse("the GPU waits for what is expected already");
  if (expected.filled != nullptr) {
    if (!events_.HasHappened(expected.filled)) {
      const cuda::Event begin = times_.Record(compute_);
      Check(driver_.stream_wait(compute_, expected.filled, 0), "receiving on the GPU");
      MarkStall(begin);
    }
    events_.GiveBack(expected.filled);
    expected_.erase(ticket);
    return true;
  }
  if (!can_wait_) return false;
  const uint32_t word = waits_ % GpuWords::kWords, value = static_cast<uint32_t>(waits_ / GpuWords::kWords) + 1;
  const cuda::Event begin = times_.Record(compute_);
  Check(driver_.wait_value(compute_, words_.AddressOf(word), value, cuda::kWaitAtLeast), "receiving on the GPU");
  MarkStall(begin);
  waits_ += 1;
  expected.word = word;
  expected.value = value;
  waiting_ += 1;
  return true;
}

void GpuArrivals::MarkStall(cuda::Event begin) { stalls_.emplace_back(begin, times_.Record(compute_)); }

double GpuArrivals::Stalled() {
  double milliseconds = 0;
  while (!stalls_.empty() && times_.HasHappened(stalls_.front().second)) {
    const auto [begin, end] = stalls_.front();
    float stall = 0;
    Check(driver_.event_elapsed(&stall, begin, end), "reading the time");
    milliseconds += stall;
    times_.GiveBack(begin);
    times_.GiveBack(end);
    stalls_.pop_front();
  }
  return milliseconds;
}

void GpuArrivals::Abandon() {
  words_.Release();
  waiting_ = 0;
}

void GpuArrivals::Finish() {
  small_.Finish();
  large_.Finish();
}

}  // namespace hayate
