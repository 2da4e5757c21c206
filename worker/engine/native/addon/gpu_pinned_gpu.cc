#include "gpu_pinned_gpu.h"

namespace hayate {

using cuda::Check;

GpuPinned::~GpuPinned() {
  for (const auto& [memory, pinned] : pinned_) driver_.host_unregister(const_cast<char*>(memory));
}

void GpuPinned::Pin(void* memory, size_t bytes) {
  const char* const start = static_cast<char*>(memory);
  if (bytes == 0 || pinned_.count(start) > 0) return;
  const unsigned flags = cuda::kHostPortable | cuda::kHostMapped;
  Check(driver_.host_register(memory, bytes, flags), "locking memory for transfers");
  Pinned pinned{bytes, 0};
  if (driver_.host_address(&pinned.address, memory, 0) != cuda::kSuccess) pinned.address = 0;
  pinned_[start] = pinned;
}

void GpuPinned::Unpin(void* memory) {
  if (pinned_.erase(static_cast<char*>(memory)) == 0) return;
  Check(driver_.host_unregister(memory), "unlocking memory");
}

float* GpuPinned::OnGpu(const void* memory, size_t bytes) const {
  const char* const start = static_cast<const char*>(memory);
  auto found = pinned_.upper_bound(start);
  if (found == pinned_.begin()) return nullptr;
  const auto& [first, pinned] = *--found;
  const size_t offset = static_cast<size_t>(start - first);
  if (pinned.address == 0 || offset + bytes > pinned.bytes) return nullptr;
  return reinterpret_cast<float*>(pinned.address + offset);
}

}  // namespace hayate
