// Updates of variables that wait to be started together: hundreds of small ones cost a host more than a GPU.
#pragma once

#include <array>
#include <map>
#include <string>
#include <unordered_set>

#include "gpu_kernels_gpu.h"

namespace hayate {

class GpuUpdates {
 public:
  // `bad` is a word of the host's memory that a GPU can write.
  GpuUpdates(GpuKernels& kernels, int* bad) : kernels_(kernels), bad_(bad) {}

  // What `kernel` of device_kernels.cu does to one variable; it happens with the next Start at the latest.
  struct Request {
    const char* kernel;
    std::array<double, 6> numbers;
    double scale;
    float *variable, *first, *second;
    const float* sum;
    size_t length;
    int tag;
  };
  void Add(const Request& request);

  bool IsEmpty() const { return touched_.empty(); }
  void Start();

 private:
  // Updates by one kernel with the same numbers.
  struct Waiting {
    UpdateBatch batch;
    unsigned blocks;
  };

  bool Fits(const Request& request) const;

  GpuKernels& kernels_;
  int* const bad_;
  std::map<std::string, Waiting> waiting_;
  // Everything that those who wait read or write.
  std::unordered_set<const float*> touched_;
  size_t elements_ = 0;
};

}  // namespace hayate
