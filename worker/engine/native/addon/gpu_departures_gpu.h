// Bytes that leave a GPU for its host, beside what is being computed.
#pragma once

#include <array>
#include <functional>
#include <unordered_map>

#include "device.h"
#include "gpu_kernels_gpu.h"
#include "gpu_pinned_gpu.h"
#include "gpu_send_lane_gpu.h"

namespace hayate {

class GpuDepartures {
 public:
  // Of tickets that are alike but for multiples of this the lower one arrives first.
  static constexpr size_t kLanes = 3;

  GpuDepartures(cuda::Stream compute, GpuKernels& kernels, const GpuPinned& pinned)
      : kernels_(kernels), pinned_(pinned), together_(compute), small_(compute), large_(compute) {}
  GpuDepartures(const GpuDepartures&) = delete;

  // Copies a part of the tensor that begins at `tensor`, which must not be written before that has arrived. A few bytes
  // are put off, to leave with others, until somebody asks whether they have arrived; `hold` keeps their memory so long.
  Ticket Send(const char* tensor, const Region& from, void* to, std::function<void()> hold);
  bool Arrived(Ticket ticket);
  void Wait(Ticket ticket);
  // Starts what has been put off: before anything that will wait for what comes in return.
  void Start();
  // The tensor is about to go: what is computed from now on waits for what is sent of it without a hold.
  void Leave(const char* tensor);
  // Waits for all of it.
  void Finish();

 private:
  using Numbers = std::array<uint64_t, 2>;

  static constexpr size_t kSmall = 0, kLarge = 1, kTogether = 2;
  GpuSendLane& LaneOf(size_t at) { return at == kSmall ? small_ : at == kLarge ? large_ : together_; }
  Ticket Together(const Region& from, float* to, std::function<void()> hold);

  GpuKernels& kernels_;
  const GpuPinned& pinned_;
  // Large copies stand behind each other; small ones do not stand behind them.
  GpuSendLane together_, small_, large_;
  // By where a tensor begins: what was sent of it last, small and large.
  std::unordered_map<const char*, Numbers> leaving_;
  // What has been put off, and what keeps its memory.
  SendBatch batch_{};
  unsigned blocks_ = 0;
  GpuSendLane::Holds holds_;
};

}  // namespace hayate
