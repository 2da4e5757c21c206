#include "gpu_departures_gpu.h"

#include "failure.h"

namespace hayate {
namespace {

using cuda::Check;

// A transfer of its own costs the host more than this much costs the bus.
constexpr size_t kFewBytes = 64 << 10;
constexpr unsigned kMostBlocksTogether = (1 << 20) / (kBlockElements * sizeof(float));

}  // namespace

Ticket GpuDepartures::Send(const char* tensor, const Region& from, void* to, std::function<void()> hold) {
  const bool is_small = from.bytes <= kSmallCopyBytes;
  float* const target = is_small && from.bytes % sizeof(float) == 0 ? pinned_.OnGpu(to, from.bytes) : nullptr;
  if (target != nullptr && from.bytes <= kFewBytes) return Together(from, target, std::move(hold));
  const size_t at = is_small ? kSmall : kLarge;
  GpuSendLane& lane = LaneOf(at);
  const cuda::Stream stream = lane.Follow();
  if (target != nullptr && !large_.IsIdle()) {
    // The bus is shared, while the engine that copies does one thing after the other.
    kernels_.Copy(reinterpret_cast<const float*>(from.start), target, from.bytes / sizeof(float), stream);
  } else {
    const auto start = reinterpret_cast<cuda::Pointer>(from.start);
    Check(cuda::Load().to_host(to, start, from.bytes, stream), "sending from the GPU");
  }
  const uint64_t number = lane.Mark();
  leaving_[tensor][at] = number;
  return number * kLanes + at;
}

Ticket GpuDepartures::Together(const Region& from, float* to, std::function<void()> hold) {
  const uint64_t number = together_.next();
  const auto length = static_cast<unsigned>(from.bytes / sizeof(float));
  batch_.entries[batch_.count++] = {reinterpret_cast<const float*>(from.start), to, length, blocks_};
  blocks_ += BlocksFor(length);
  holds_.push_back(std::move(hold));
  if (batch_.count == SendBatch::kEntries || blocks_ >= kMostBlocksTogether) Start();
  return number * kLanes + kTogether;
}

void GpuDepartures::Start() {
  if (batch_.count == 0) return;
  kernels_.Send(batch_, blocks_, together_.Follow());
  batch_.count = 0;
  blocks_ = 0;
  together_.Mark(std::move(holds_));
  holds_.clear();
}

bool GpuDepartures::Arrived(Ticket ticket) {
  const size_t at = ticket % kLanes;
  const uint64_t number = ticket / kLanes;
  if (at == kTogether && number == together_.next()) Start();
  return LaneOf(at).Arrived(number);
}

void GpuDepartures::Wait(Ticket ticket) {
  if (Arrived(ticket)) return;
  GpuSendLane& lane = LaneOf(ticket % kLanes);
  if (ticket / kLanes >= lane.next()) Refuse("there is no transfer " + std::to_string(ticket));
  lane.Wait(ticket / kLanes);
}

void GpuDepartures::Leave(const char* tensor) {
  if (leaving_.empty()) return;
  const auto found = leaving_.find(tensor);
  if (found == leaving_.end()) return;
  for (size_t at = 0; at < found->second.size(); at++) LaneOf(at).HoldUpCompute(found->second[at]);
  leaving_.erase(found);
}

void GpuDepartures::Finish() {
  Start();
  for (size_t at = 0; at < kLanes; at++) LaneOf(at).Finish();
}

}  // namespace hayate
