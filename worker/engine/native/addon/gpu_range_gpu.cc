#include "gpu_range_gpu.h"

#include <algorithm>

#include "failure.h"

namespace hayate {
namespace {

// Taking memory costs the host up to a millisecond, however little it is.
constexpr size_t kStep = 8 << 20;

size_t RoundedUp(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

cuda::MemoryKind Of(cuda::Device gpu) {
  cuda::MemoryKind kind{};
  kind.pinned = 1;
  kind.place = {cuda::kOnDevice, gpu};
  return kind;
}

}  // namespace

GpuRange::GpuRange(const cuda::Driver& driver, cuda::Device gpu, size_t most_bytes) : driver_(driver), gpu_(gpu) {
  int can = 0;
  driver_.device_attribute(&can, cuda::kMapsMemory, gpu);
  if (can == 0) throw Failure(TF_UNIMPLEMENTED, "this GPU's driver cannot map memory");
  const cuda::MemoryKind kind = Of(gpu);
  size_t total = 0;
  cuda::Check(driver_.device_memory(&total, gpu), "asking for the GPU's memory");
  cuda::Check(driver_.granularity(&granularity_, &kind, 0), "asking for the GPU's memory");
  reserved_ = std::max(granularity_, std::min(total, most_bytes) / granularity_ * granularity_);
  cuda::Check(driver_.addresses_reserve(&start_, reserved_, 0, 0, 0), "reserving addresses of the GPU");
}

GpuRange::~GpuRange() {
  Trim(0);
  driver_.addresses_free(start_, reserved_);
}

bool GpuRange::Reach(size_t bytes) {
  if (bytes > reserved_) return false;
  for (const size_t step : {kStep, granularity_}) {
    if (bytes <= bytes_) return true;
    const size_t more = RoundedUp(bytes - bytes_, RoundedUp(step, granularity_));
    if (more <= reserved_ - bytes_ && Add(more)) return true;
  }
  return bytes <= bytes_;
}

bool GpuRange::Add(size_t bytes) {
  const cuda::MemoryKind kind = Of(gpu_);
  cuda::Memory memory = 0;
  if (driver_.memory_create(&memory, bytes, &kind, 0) != cuda::kSuccess) return false;
  const cuda::Pointer to = start_ + bytes_;
  const cuda::Access access{kind.place, cuda::kReadWrite};
  bool is_there = driver_.memory_map(to, bytes, 0, memory, 0) == cuda::kSuccess;
  if (is_there && driver_.memory_access(to, bytes, &access, 1) != cuda::kSuccess) {
    driver_.memory_unmap(to, bytes);
    is_there = false;
  }
  driver_.memory_release(memory);  // what is mapped keeps it
  if (!is_there) return false;
  pieces_.push_back(bytes);
  bytes_ += bytes;
  return true;
}

void GpuRange::Trim(size_t bytes) {
  while (!pieces_.empty() && bytes_ - pieces_.back() >= bytes) {
    bytes_ -= pieces_.back();
    driver_.memory_unmap(start_ + bytes_, pieces_.back());
    pieces_.pop_back();
  }
}

}  // namespace hayate
