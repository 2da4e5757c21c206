// The addon's kernels for an emulated GPU; gpu-kernels.test.ts and gpu-transfers.test.ts write the two files out of the .cu
// files that are included here.
#pragma once

#include <map>
#include <set>
#include <string>

#include "../addon/cuda_driver_gpu.h"
#include "emulated_gpu.h"

namespace device {
float scratch[1 << 16];
#include "device_kernels.inc"
}  // namespace device

namespace emulated {

// Asked for by name.
inline std::set<std::string> started;

// Null where there is none.
inline void* KernelNamed(const char* name) {
  static std::map<std::string, Kernel> kernels{
#define KERNEL(name) {#name, KernelOf(device::name)},
#include "device_kernels_list.inc"
  };
  const auto found = kernels.find(name);
  if (found == kernels.end()) return nullptr;
  started.insert(name);
  return &found->second;
}

inline std::function<void()> Bound(void* kernel, void** arguments) { return (*static_cast<Kernel*>(kernel))(arguments); }

}  // namespace emulated

namespace hayate::cuda {

// The program's own.
Driver Emulated();

const Driver& Load() {
  static const Driver driver = Emulated();
  return driver;
}
void Check(Result result, const char* what) {
  if (result != kSuccess) throw std::runtime_error(std::string(what) + ": " + std::to_string(result));
}
std::string Compile(const char*, int, int) { return "compiled"; }

}  // namespace hayate::cuda
