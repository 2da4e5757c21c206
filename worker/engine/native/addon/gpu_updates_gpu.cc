#include "gpu_updates_gpu.h"

#include <algorithm>

namespace hayate {
namespace {

// Above this much work a launch of its own costs nothing.
constexpr size_t kMostElements = 1 << 20;
constexpr size_t kMostElementsOfEntry = size_t{1} << 30;

// What an update reads or writes; null where it has no such slot.
std::array<const float*, 4> MemoryOf(const GpuUpdates::Request& r) { return {r.variable, r.first, r.second, r.sum}; }

}  // namespace

// Those who are started together happen in any order: none may touch what another one writes.
bool GpuUpdates::Fits(const Request& r) const {
  for (const float* const memory : MemoryOf(r)) {
    if (touched_.count(memory) > 0) return false;
  }
  const auto found = waiting_.find(r.kernel);
  if (found == waiting_.end() || found->second.batch.count == 0) return true;
  const UpdateBatch& batch = found->second.batch;
  const size_t entries = (r.length + kMostElementsOfEntry - 1) / kMostElementsOfEntry;
  return batch.count + entries <= UpdateBatch::kEntries && batch.scale == r.scale &&
         std::equal(r.numbers.begin(), r.numbers.end(), batch.numbers);
}

void GpuUpdates::Add(const Request& r) {
  if (!Fits(r)) Start();
  auto& [batch, blocks] = waiting_[r.kernel];
  if (batch.count == 0) {
    batch.scale = r.scale;
    std::copy(r.numbers.begin(), r.numbers.end(), batch.numbers);
    batch.bad = bad_;
  }
  const auto from = [](float* memory, size_t first) { return memory == nullptr ? nullptr : memory + first; };
  for (size_t first = 0; first < r.length; first += kMostElementsOfEntry) {
    const size_t length = std::min(kMostElementsOfEntry, r.length - first);
    batch.entries[batch.count++] = {from(r.variable, first), from(r.first, first), from(r.second, first), r.sum + first,
                                    static_cast<unsigned>(length), blocks, r.tag};
    blocks += BlocksFor(length);
  }
  for (const float* const memory : MemoryOf(r)) {
    if (memory != nullptr) touched_.insert(memory);
  }
  elements_ += r.length;
  if (elements_ >= kMostElements) Start();
}

void GpuUpdates::Start() {
  touched_.clear();
  elements_ = 0;
  for (auto& [kernel, waiting] : waiting_) {
    if (waiting.batch.count == 0) continue;
    const unsigned blocks = waiting.blocks;
    waiting.blocks = 0;
    kernels_.Update(kernel.c_str(), waiting.batch, blocks);
    waiting.batch.count = 0;
  }
}

}  // namespace hayate
