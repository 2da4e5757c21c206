// Streams and events of a GPU that does everything as late as it may, and what it does at once in any order.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "../addon/cuda_driver_gpu.h"
#include "emulated_kernels.h"

namespace emulated {

struct Op {
  std::function<bool()> may;  // or nothing
  std::function<void()> run;
};
struct Stream {
  std::deque<Op> ops;
};
struct Event {
  std::shared_ptr<bool> last = std::make_shared<bool>(true);
  // How much had been done by then.
  std::shared_ptr<double> when = std::make_shared<double>(0);
};

inline std::vector<Stream*> streams;
inline std::mt19937 chance(1);
inline double things_done = 0;

inline bool MayRun(const Stream* stream) {
  return !stream->ops.empty() && (!stream->ops.front().may || stream->ops.front().may());
}

// Does one thing that may be done; false where there is none.
inline bool Advance() {
  std::vector<Stream*> ready;
  for (Stream* const stream : streams) {
    if (MayRun(stream)) ready.push_back(stream);
  }
  if (ready.empty()) return false;
  Stream* const chosen = ready[chance() % ready.size()];
  const Op op = std::move(chosen->ops.front());
  chosen->ops.pop_front();
  things_done++;
  op.run();
  return true;
}

template <typename Condition>
void AdvanceUntil(Condition is_true) {
  while (!is_true()) {
    if (!Advance()) throw std::runtime_error("the host waits for a GPU that waits for the host");
  }
}

// Some of the time, a little happens.
inline void PassTime() {
  if (chance() % 4 != 0) return;
  for (int things = chance() % 6; things > 0 && Advance(); things--) continue;
}

inline Stream* Of(hayate::cuda::Stream stream) { return static_cast<Stream*>(stream); }
inline Event* EventOf(hayate::cuda::Event event) { return static_cast<Event*>(event); }

inline void Add(hayate::cuda::Stream stream, std::function<void()> run, std::function<bool()> may = nullptr) {
  PassTime();
  Of(stream)->ops.push_back({std::move(may), std::move(run)});
}

// A copy is under way for a while.
inline void AddCopy(hayate::cuda::Stream stream, void* to, const void* from, size_t bytes) {
  constexpr size_t kPieces = 3;
  for (size_t piece = 0; piece < kPieces; piece++) {
    const size_t first = bytes * piece / kPieces, last = bytes * (piece + 1) / kPieces;
    Add(stream, [=] { std::memcpy(static_cast<char*>(to) + first, static_cast<const char*>(from) + first, last - first); });
  }
}

inline hayate::cuda::Driver StreamDriver() {
  namespace cuda = hayate::cuda;
  cuda::Driver d{};
  d.device_attribute = [](int* value, int what, cuda::Device) { return *value = what == cuda::kProcessors ? 2 : 9, 0; };
  d.priority_range = [](int* least, int* greatest) { return *least = 0, *greatest = -1, 0; };
  d.stream_create = [](cuda::Stream* made, unsigned, int) {
    streams.push_back(new Stream);
    return *made = streams.back(), 0;
  };
  d.stream_destroy = [](cuda::Stream stream) {
    streams.erase(std::find(streams.begin(), streams.end(), Of(stream)));
    delete Of(stream);
    return 0;
  };
  d.stream_wait = [](cuda::Stream stream, cuda::Event event, unsigned) {
    Add(stream, [] {}, [last = EventOf(event)->last] { return *last; });
    return 0;
  };
  d.stream_synchronize = [](cuda::Stream stream) {
    AdvanceUntil([stream] { return Of(stream)->ops.empty(); });
    return 0;
  };
  d.wait_value = [](cuda::Stream stream, cuda::Pointer word, unsigned value, unsigned) {
    Add(stream, [] {}, [=] { return static_cast<int32_t>(*reinterpret_cast<volatile uint32_t*>(word) - value) >= 0; });
    return 0;
  };
  d.write_value = [](cuda::Stream stream, cuda::Pointer word, unsigned value, unsigned) {
    Add(stream, [=] { *reinterpret_cast<volatile uint32_t*>(word) = value; });
    return 0;
  };
  d.event_create = [](cuda::Event* made, unsigned) { return *made = new Event, 0; };
  d.event_destroy = [](cuda::Event event) {
    delete EventOf(event);
    return 0;
  };
  d.event_record = [](cuda::Event event, cuda::Stream stream) {
    const auto happened = EventOf(event)->last = std::make_shared<bool>(false);
    const auto when = EventOf(event)->when = std::make_shared<double>(0);
    Add(stream, [happened, when] { *happened = true, *when = things_done; });
    return 0;
  };
  d.event_query = [](cuda::Event event) {
    PassTime();
    return *EventOf(event)->last ? 0 : cuda::kNotReady;
  };
  d.event_synchronize = [](cuda::Event event) {
    AdvanceUntil([last = EventOf(event)->last] { return *last; });
    return 0;
  };
  d.event_elapsed = [](float* milliseconds, cuda::Event from, cuda::Event to) {
    *milliseconds = static_cast<float>((*EventOf(to)->when - *EventOf(from)->when) / 8);
    return *EventOf(from)->last && *EventOf(to)->last ? 0 : 1;
  };
  d.to_device = [](cuda::Pointer to, const void* from, size_t bytes, cuda::Stream stream) {
    return AddCopy(stream, reinterpret_cast<void*>(to), from, bytes), 0;
  };
  d.to_host = [](void* to, cuda::Pointer from, size_t bytes, cuda::Stream stream) {
    return AddCopy(stream, to, reinterpret_cast<void*>(from), bytes), 0;
  };
  d.host_allocate = [](void** made, size_t bytes, unsigned) {
    return *made = std::aligned_alloc(64, (bytes + 63) / 64 * 64), 0;
  };
  d.host_free = [](void* memory) { return std::free(memory), 0; };
  d.host_register = [](void*, size_t, unsigned) { return 0; };
  d.host_unregister = [](void*) { return 0; };
  d.host_address = [](cuda::Pointer* address, void* memory, unsigned) {
    return *address = reinterpret_cast<cuda::Pointer>(memory), 0;
  };
  d.module_load = [](cuda::Module* module, const void*) { return *module = nullptr, 0; };
  d.module_unload = [](cuda::Module) { return 0; };
  d.module_function = [](cuda::Function* function, cuda::Module, const char* name) {
    return *function = KernelNamed(name), *function == nullptr ? 500 : 0;
  };
  d.launch = [](cuda::Function function, unsigned x, unsigned y, unsigned, unsigned threads_x, unsigned threads_y, unsigned,
                unsigned, cuda::Stream stream, void** arguments, void**) {
    Add(stream, [=, kernel = Bound(function, arguments)] { Launch({x, y, 1}, {threads_x, threads_y, 1}, kernel); });
    return 0;
  };
  return d;
}

}  // namespace emulated
