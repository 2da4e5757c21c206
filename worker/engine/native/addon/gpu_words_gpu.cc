#include "gpu_words_gpu.h"

#include <cstdlib>
#include <mutex>
#include <unordered_set>

namespace hayate {
namespace {

using cuda::Check;

// More than any value that is waited for, in the order that wraps around.
constexpr uint32_t kReleased = 0x40000000;

// Those that there are. Never destroyed: the process may exit by any thread.
struct Registry {
  std::mutex mutex;
  std::unordered_set<GpuWords*> all;
};
Registry& registry() {
  static Registry* const made = [] {
    std::atexit([] {
      const std::lock_guard<std::mutex> lock(registry().mutex);
      for (GpuWords* const words : registry().all) words->Release();
    });
    return new Registry;
  }();
  return *made;
}

}  // namespace

GpuWords::GpuWords() : driver_(cuda::Load()) {
  void* memory = nullptr;
  const unsigned flags = cuda::kHostPortable | cuda::kHostMapped;
  Check(driver_.host_allocate(&memory, kWords * sizeof(uint32_t), flags), "allocating page-locked memory");
  memory_ = static_cast<uint32_t*>(memory);
  for (uint32_t at = 0; at < kWords; at++) memory_[at] = 0;
  Check(driver_.host_address(&on_gpu_, memory, 0), "allocating page-locked memory");
  const std::lock_guard<std::mutex> lock(registry().mutex);
  registry().all.insert(this);
}

GpuWords::~GpuWords() {
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    registry().all.erase(this);
  }
  driver_.host_free(const_cast<uint32_t*>(memory_));
}

void GpuWords::Release() {
  for (uint32_t at = 0; at < kWords; at++) memory_[at] = kReleased;
}

}  // namespace hayate
