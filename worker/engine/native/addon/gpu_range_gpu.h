// A range of a GPU's addresses with memory behind its beginning.
#pragma once

#include <cstddef>
#include <vector>

#include "cuda_driver_gpu.h"

namespace hayate {

// The GPU must be the thread's whenever this is called.
class GpuRange {
 public:
  // Addresses for `most_bytes`, or for as much memory as the GPU has, and no memory yet. Throws Failure UNIMPLEMENTED where the
  // driver cannot do that.
  GpuRange(const cuda::Driver& driver, cuda::Device gpu, size_t most_bytes);
  // Nobody uses the memory any more.
  ~GpuRange();
  GpuRange(const GpuRange&) = delete;
  GpuRange& operator=(const GpuRange&) = delete;

  char* start() const { return reinterpret_cast<char*>(start_); }
  // From the start on.
  size_t bytes() const { return bytes_; }
  // Takes memory until there are `bytes`; false where the GPU has not as much, and then nothing was taken.
  bool Reach(size_t bytes);
  // Gives back what lies wholly beyond `bytes`; nobody uses that any more.
  void Trim(size_t bytes);

 private:
  bool Add(size_t bytes);

  const cuda::Driver& driver_;
  const cuda::Device gpu_;
  cuda::Pointer start_ = 0;
  size_t reserved_ = 0;
  size_t granularity_ = 0;
  size_t bytes_ = 0;
  // One behind the other.
  std::vector<size_t> pieces_;
};

}  // namespace hayate
