#include "gpu_transfers_gpu.h"

#include <algorithm>
#include <cstring>

namespace hayate {
namespace {

using cuda::Check;

constexpr size_t kStageBytes = 8 << 20;
// As many as a step's batch may need: the host goes on while they wait for the GPU.
constexpr size_t kMostStages = 16;

cuda::Pointer Of(const void* memory) { return reinterpret_cast<cuda::Pointer>(memory); }

}  // namespace

GpuTransfers::~GpuTransfers() {
  driver_.stream_synchronize(compute_);
  for (const Stage& stage : stages_) {
    driver_.host_free(stage.memory);
    driver_.event_destroy(stage.copied);
  }
}

void GpuTransfers::Fill(const Region& to, const void* from, bool may_wait) {
  for (size_t done = 0; done < to.bytes;) {
    const size_t bytes = std::min(kStageBytes, to.bytes - done);
    const Stage& stage = FreeStage(may_wait);
    std::memcpy(stage.memory, static_cast<const char*>(from) + done, bytes);
    Check(driver_.to_device(Of(to.start) + done, stage.memory, bytes, compute_), "copying to the GPU");
    Check(driver_.event_record(stage.copied, compute_), "copying to the GPU");
    done += bytes;
  }
}

const GpuTransfers::Stage& GpuTransfers::FreeStage(bool may_wait) {
  const bool is_next_free = !stages_.empty() && driver_.event_query(stages_[next_stage_ % stages_.size()].copied) == 0;
  if (!is_next_free && (stages_.size() < kMostStages || !may_wait)) {
    void* memory = nullptr;
    Check(driver_.host_allocate(&memory, kStageBytes, cuda::kHostPortable), "allocating page-locked memory");
    cuda::Event copied = nullptr;
    Check(driver_.event_create(&copied, cuda::kEventDisableTiming | cuda::kEventBlockingSync), "making an event");
    const size_t at = stages_.empty() ? 0 : next_stage_ % stages_.size();
    stages_.insert(stages_.begin() + static_cast<std::ptrdiff_t>(at), {static_cast<char*>(memory), copied});
    next_stage_ = at;
  }
  const Stage& stage = stages_[next_stage_++ % stages_.size()];
  Check(driver_.event_synchronize(stage.copied), "waiting for a copy");
  return stage;
}

void GpuTransfers::Read(const Region& from, void* to) {
  Check(driver_.to_host(to, Of(from.start), from.bytes, compute_), "copying from the GPU");
  Check(driver_.stream_synchronize(compute_), "waiting for the GPU");
}

}  // namespace hayate
