// Memory of a GPU without asking the driver for it in every step.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "best_fit.h"
#include "device.h"
#include "gpu_range_gpu.h"

namespace hayate {

// Hands memory out in the order of the compute stream: it may go while kernels that use it still wait. Takes what it has not
// yet from the driver, and keeps it until Trim. Its statistics are those of this memory and of what TensorFlow's own
// allocator holds for its ops, together.
class GpuMemory {
 public:
  // Statistics of TensorFlow's own allocator, which begins a new peak then.
  using Theirs = std::function<MemoryStatistics()>;

  // Takes `most_bytes` at most. Throws Failure where the driver cannot map memory. The GPU must be the thread's, as for Take
  // and Trim.
  GpuMemory(Theirs theirs, const cuda::Driver& driver, cuda::Device gpu, size_t most_bytes);

  // Null where there is no more.
  void* Take(size_t bytes);
  void Give(void* memory);
  bool Holds(const void* memory) const;
  bool IsEmpty();
  // Gives the driver what lies behind all that is in use. Nothing is under way.
  void Trim();

  // TensorFlow's own allocator is about to be used: the statistics take notice.
  void Watch();
  MemoryStatistics Statistics();
  // A new peak begins.
  void Forget();

 private:
  void Notice();
  int64_t InUse() const { return static_cast<int64_t>(places_.bytes()) + theirs_.in_use; }

  std::mutex mutex_;
  const Theirs ask_;
  GpuRange range_;
  BestFit places_;
  bool watched_ = true;
  MemoryStatistics theirs_{};
  int64_t peak_ = 0, largest_ = 0;
};

}  // namespace hayate
