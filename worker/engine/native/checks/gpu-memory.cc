// GpuMemory over a driver that only keeps accounts, for gpu-memory.test.ts: orders come in, a line each, and what is
// there afterwards goes out.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

#include "../addon/gpu_memory_gpu.h"

namespace {

constexpr size_t kGranularity = 2 << 20;
constexpr hayate::cuda::Pointer kBase = 1ull << 40;

// What the driver knows.
size_t total, free_bytes, calls;
std::map<unsigned long long, size_t> memory;
std::map<hayate::cuda::Pointer, size_t> mapped;
size_t usable, reserved;
unsigned long long next_memory = 1;
bool is_reachable = true;

hayate::cuda::Driver Accounts() {
  namespace cuda = hayate::cuda;
  cuda::Driver d{};
  d.device_attribute = [](int* value, int, cuda::Device) { return *value = 1, 0; };
  d.device_memory = [](size_t* bytes, cuda::Device) { return *bytes = total, 0; };
  d.granularity = [](size_t* bytes, const cuda::MemoryKind*, int) { return *bytes = kGranularity, 0; };
  d.addresses_reserve = [](cuda::Pointer* at, size_t bytes, size_t, cuda::Pointer, unsigned long long) {
    reserved = bytes;
    return *at = kBase, 0;
  };
  d.addresses_free = [](cuda::Pointer at, size_t bytes) {
    const bool is_right = at == kBase && bytes == reserved && mapped.empty();
    reserved = 0;
    return is_right ? 0 : 1;
  };
  d.memory_create = [](cuda::Memory* made, size_t bytes, const cuda::MemoryKind* kind, unsigned long long) {
    calls++;
    if (bytes % kGranularity != 0 || kind->pinned != 1 || kind->place.type != 1) return 1;
    if (bytes > free_bytes) return 2;
    free_bytes -= bytes;
    memory[*made = next_memory++] = bytes;
    return 0;
  };
  d.memory_release = [](cuda::Memory made) { return memory.erase(made) == 1 ? 0 : 1; };
  d.memory_map = [](cuda::Pointer at, size_t bytes, size_t, cuda::Memory made, unsigned long long) {
    const auto next = mapped.upper_bound(at);
    const bool touches = (next != mapped.end() && next->first < at + bytes) ||
                         (next != mapped.begin() && std::prev(next)->first + std::prev(next)->second > at);
    if (touches || at < kBase || at + bytes > kBase + reserved || memory.at(made) != bytes) return 1;
    mapped[at] = bytes;
    return 0;
  };
  d.memory_access = [](cuda::Pointer at, size_t bytes, const cuda::Access* access, size_t count) {
    if (!is_reachable) return 1;
    if (mapped.at(at) != bytes || access->rights != 3 || count != 1) return 1;
    usable += bytes;
    return 0;
  };
  d.memory_unmap = [](cuda::Pointer at, size_t bytes) {
    calls++;
    const auto found = mapped.find(at);
    if (found == mapped.end() || found->second != bytes) return 1;
    mapped.erase(found);
    free_bytes += bytes;
    usable -= is_reachable ? bytes : 0;
    return 0;
  };
  return d;
}

}  // namespace

int main() {
  hayate::MemoryStatistics theirs{};  // of TensorFlow's own gpu
  const auto ask = [&theirs] {
    const hayate::MemoryStatistics told = theirs;
    theirs.peak = theirs.in_use;
    return told;
  };
  const hayate::cuda::Driver driver = Accounts();
  std::unique_ptr<hayate::GpuMemory> gpu;
  std::vector<void*> taken;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream order(line);
    std::string what;
    size_t number = 0, most = size_t{1} << 62;
    order >> what >> number >> most;
    long long answer = 0;
    if (what == "gpu") {
      total = free_bytes = number;
      gpu = std::make_unique<hayate::GpuMemory>(ask, driver, 0, most);
    } else if (what == "take") {
      taken.push_back(gpu->Take(number));
      answer = taken.back() == nullptr ? -1 : static_cast<char*>(taken.back()) - reinterpret_cast<char*>(kBase);
    } else if (what == "give") {
      gpu->Give(taken[number]);
    } else if (what == "theirs") {
      gpu->Watch();
      theirs.in_use = static_cast<int64_t>(number);
      theirs.peak = std::max(theirs.peak, theirs.in_use);
    } else if (what == "trim") {
      gpu->Trim();
    } else if (what == "clear") {
      gpu->Forget();
    } else if (what == "unreachable") {
      is_reachable = number == 0;
    } else if (what == "end") {
      answer = gpu->IsEmpty() ? 1 : 0;
      gpu.reset();
    }
    std::cout << answer << ' ' << calls << ' ' << total - free_bytes << ' ' << usable << ' ' << memory.size() << ' '
              << mapped.size() << ' ' << reserved;
    if (gpu != nullptr) {
      const hayate::MemoryStatistics stats = gpu->Statistics();
      std::cout << ' ' << stats.in_use << ' ' << stats.peak << ' ' << stats.reserved;
    }
    std::cout << '\n';
  }
  return 0;
}
