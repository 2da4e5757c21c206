// Bytes that leave a GPU for its host, beside what is being computed.
#pragma once

#include <array>
#include <unordered_map>
#include <vector>

#include "device.h"
#include "gpu_kernels_gpu.h"
#include "gpu_pinned_gpu.h"
#include "gpu_send_lane_gpu.h"
#include "gpu_turns_gpu.h"

namespace hayate {

class GpuDepartures {
 public:
  struct Part {
    // Where the tensor begins that it is a part of, and which must not be written before it has arrived.
    const char* tensor;
    Region from;
    void* to;
  };

  GpuDepartures(cuda::Stream compute, GpuKernels& kernels, const GpuPinned& pinned)
      : kernels_(kernels), pinned_(pinned), few_(compute), small_(compute), large_(compute) {}
  GpuDepartures(const GpuDepartures&) = delete;

  Device::Tickets Send(const std::vector<Part>& parts);
  bool Arrived(Ticket ticket);
  void Wait(Ticket ticket);
  // The tensor is about to go: what is computed from now on waits for what is sent of it.
  void Leave(const char* tensor);
  // Waits for all of it.
  void Finish();

 private:
  using Numbers = std::array<uint64_t, Device::kLanes>;

  static constexpr size_t kFew = 0, kSmall = 1, kLarge = 2;
  GpuSendLane& LaneOf(size_t at) { return at == kFew ? few_ : at == kSmall ? small_ : large_; }
  size_t LaneFor(const Part& part) const;
  void CopyTogether(const std::vector<const Part*>& parts, cuda::Stream stream);

  GpuKernels& kernels_;
  const GpuPinned& pinned_;
  GpuTurns turns_;  // goes after what waits for it
  // Few bytes go together, by a kernel. Large copies stand behind each other, and let small ones in between.
  GpuSendLane few_, small_, large_;
  // By where a tensor begins: what was sent of it last, by lane.
  std::unordered_map<const char*, Numbers> leaving_;
};

}  // namespace hayate
