#include "gpu_memory_gpu.h"

#include <algorithm>
#include <utility>

namespace hayate {

GpuMemory::GpuMemory(Theirs theirs, const cuda::Driver& driver, cuda::Device gpu, size_t most_bytes)
    : ask_(std::move(theirs)), range_(driver, gpu, most_bytes) {}

void* GpuMemory::Take(size_t bytes) {
  const std::lock_guard<std::mutex> alone(mutex_);
  Notice();
  const size_t start = places_.Take(bytes);
  if (!range_.Reach(places_.end())) {
    places_.Give(start);
    return nullptr;
  }
  largest_ = std::max(largest_, static_cast<int64_t>(bytes));
  peak_ = std::max(peak_, InUse());
  return range_.start() + start;
}

void GpuMemory::Give(void* memory) {
  const std::lock_guard<std::mutex> alone(mutex_);
  Notice();
  places_.Give(static_cast<char*>(memory) - range_.start());
}

bool GpuMemory::Holds(const void* memory) const {
  const char* const at = static_cast<const char*>(memory);
  return at >= range_.start() && at < range_.start() + range_.bytes();
}

bool GpuMemory::IsEmpty() {
  const std::lock_guard<std::mutex> alone(mutex_);
  return places_.bytes() == 0;
}

void GpuMemory::Trim() {
  const std::lock_guard<std::mutex> alone(mutex_);
  range_.Trim(places_.end());
}

void GpuMemory::Watch() {
  const std::lock_guard<std::mutex> alone(mutex_);
  Notice();
  watched_ = true;
}

// Peaks of both are added up only as long as nothing happens here in between.
void GpuMemory::Notice() {
  if (!watched_) return;
  watched_ = false;
  theirs_ = ask_();
  peak_ = std::max(peak_, static_cast<int64_t>(places_.bytes()) + theirs_.peak);
}

MemoryStatistics GpuMemory::Statistics() {
  const std::lock_guard<std::mutex> alone(mutex_);
  watched_ = true;
  Notice();
  return {InUse(), peak_, theirs_.limit, std::max(largest_, theirs_.largest),
          static_cast<int64_t>(range_.bytes()) + theirs_.reserved};
}

void GpuMemory::Forget() {
  const std::lock_guard<std::mutex> alone(mutex_);
  watched_ = true;
  Notice();
  peak_ = InUse();
  largest_ = 0;
}

}  // namespace hayate
