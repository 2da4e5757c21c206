#include "gpu_departures_gpu.h"

#include "failure.h"

namespace hayate {
namespace {

// A transfer of its own costs the host more than this much costs the bus.
constexpr size_t kFewBytes = 64 << 10;

}  // namespace

size_t GpuDepartures::LaneFor(const Part& part) const {
  const size_t bytes = part.from.bytes;
  if (bytes > kSmallCopyBytes) return kLarge;
  const bool goes_by_kernel = bytes % sizeof(float) == 0 && pinned_.OnGpu(part.to, bytes) != nullptr;
  return bytes <= kFewBytes && goes_by_kernel ? kFew : kSmall;
}

Device::Tickets GpuDepartures::Send(const std::vector<Part>& parts) {
  std::array<std::vector<const Part*>, Device::kLanes> lanes;
  for (const Part& part : parts) lanes[LaneFor(part)].push_back(&part);
  Device::Tickets tickets{};
  for (size_t at = 0; at < lanes.size(); at++) {
    if (lanes[at].empty()) continue;
    GpuSendLane& lane = LaneOf(at);
    const cuda::Stream stream = lane.Follow();
    if (at == kFew) {
      CopyTogether(lanes[at], stream);
    } else {
      for (const Part* const part : lanes[at]) {
        turns_.ToHost(part->to, reinterpret_cast<cuda::Pointer>(part->from.start), part->from.bytes, stream);
      }
    }
    const uint64_t number = lane.Mark();
    for (const Part* const part : lanes[at]) leaving_[part->tensor][at] = number;
    tickets[at] = number * Device::kLanes + at;
  }
  return tickets;
}

void GpuDepartures::CopyTogether(const std::vector<const Part*>& parts, cuda::Stream stream) {
  SendBatch batch{};
  unsigned blocks = 0;
  const auto start = [&] {
    if (batch.count > 0) kernels_.Send(batch, blocks, stream);
    batch.count = 0;
    blocks = 0;
  };
  for (const Part* const part : parts) {
    if (batch.count == SendBatch::kEntries) start();
    const auto length = static_cast<unsigned>(part->from.bytes / sizeof(float));
    float* const to = pinned_.OnGpu(part->to, part->from.bytes);
    batch.entries[batch.count++] = {reinterpret_cast<const float*>(part->from.start), to, length, blocks};
    blocks += BlocksFor(length);
  }
  start();
}

bool GpuDepartures::Arrived(Ticket ticket) {
  return LaneOf(ticket % Device::kLanes).Arrived(ticket / Device::kLanes);
}

void GpuDepartures::Wait(Ticket ticket) {
  GpuSendLane& lane = LaneOf(ticket % Device::kLanes);
  const uint64_t number = ticket / Device::kLanes;
  if (number > lane.marked()) Refuse("there is no transfer " + std::to_string(ticket));
  lane.Wait(number);
}

void GpuDepartures::Leave(const char* tensor) {
  if (leaving_.empty()) return;
  const auto found = leaving_.find(tensor);
  if (found == leaving_.end()) return;
  for (size_t at = 0; at < found->second.size(); at++) LaneOf(at).HoldUpCompute(found->second[at]);
  leaving_.erase(found);
}

void GpuDepartures::Finish() {
  for (size_t at = 0; at < Device::kLanes; at++) LaneOf(at).Finish();
}

}  // namespace hayate
