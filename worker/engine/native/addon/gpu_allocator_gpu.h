// Memory of our own as TensorFlow's tensors take it.
#pragma once

#include <memory>
#include <string>

#include "gpu_memory_gpu.h"
#include "tensorflow/core/framework/allocator.h"

namespace hayate {

// What TensorFlow's allocator says, which begins a new peak where `forget` is true.
inline MemoryStatistics StatisticsOf(tensorflow::Allocator* allocator, bool forget) {
  const auto stats = allocator->GetStats();
  if (forget) (void)allocator->ClearStats();
  if (!stats.has_value()) return {};
  return {stats->bytes_in_use, stats->peak_bytes_in_use, stats->bytes_limit.value_or(0), stats->largest_alloc_size,
          stats->bytes_reserved};
}

class GpuAllocator : public tensorflow::Allocator {
 public:
  // `most_bytes` at most, beside `theirs`, which TensorFlow's ops use. Throws Failure where the driver cannot map memory.
  GpuAllocator(tensorflow::Allocator* theirs, const cuda::Driver& driver, cuda::Device gpu, size_t most_bytes)
      : memory_([theirs] { return StatisticsOf(theirs, true); }, driver, gpu, most_bytes) {}

  GpuMemory& memory() { return memory_; }
  std::string Name() override { return "hayate"; }
  using tensorflow::Allocator::AllocateRaw;
  using tensorflow::Allocator::DeallocateRaw;
  void* AllocateRaw(size_t, size_t bytes) override { return memory_.Take(bytes); }
  void DeallocateRaw(void* memory) override { memory_.Give(memory); }
  tsl::AllocatorMemoryType GetMemoryType() const override { return tsl::AllocatorMemoryType::kDevice; }

 private:
  GpuMemory memory_;
};

// Memory that TensorFlow has not given back yet stays for ever.
struct WhenEmpty {
  void operator()(GpuAllocator* allocator) const {
    if (allocator->memory().IsEmpty()) delete allocator;
  }
};
using OwnAllocator = std::unique_ptr<GpuAllocator, WhenEmpty>;

}  // namespace hayate
