#include "gpu_transfers_gpu.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "failure.h"

namespace hayate {
namespace {

using cuda::Check;

// A transfer of its own costs the host more than this much costs the bus.
constexpr size_t kFewBytes = 64 << 10;
constexpr unsigned kMostBlocksTogether = (1 << 20) / (kBlockElements * sizeof(float));
constexpr size_t kStageBytes = 8 << 20;
// As many as a step's batch may need: the host goes on while they wait for the GPU.
constexpr size_t kMostStages = 16;
// What is copied in is small and urgent up to this size: it does not stand behind what is larger. The larger ones take
// turns on several streams, because one may have to wait for its room longer than the one behind it.
constexpr size_t kUrgentBytes = 4 << 20;
constexpr size_t kStreamsIn = 8;
// A thread that sleeps wakes up 50 µs late; it does not go to sleep for less than this.
constexpr std::chrono::milliseconds kAwake{2};

cuda::Pointer Of(const void* memory) { return reinterpret_cast<cuda::Pointer>(memory); }

}  // namespace

GpuTransfers::GpuTransfers(cuda::Stream compute, GpuKernels& kernels)
    : driver_(cuda::Load()), compute_(compute), kernels_(kernels) {
  Check(driver_.stream_create(&out_, cuda::kStreamNonBlocking), "making a stream");
  for (size_t at = 0; at < kStreamsIn; at++) {
    Check(driver_.stream_create(&in_.emplace_back(nullptr), cuda::kStreamNonBlocking), "making a stream");
  }
  Check(driver_.stream_create(&urgent_, cuda::kStreamNonBlocking), "making a stream");
  computed_ = NewEvent();
}

GpuTransfers::~GpuTransfers() {
  for (const cuda::Stream stream : {compute_, out_, urgent_}) driver_.stream_synchronize(stream);
  for (const cuda::Stream stream : in_) driver_.stream_synchronize(stream);
  Release();
  for (const auto& [memory, pinned] : pinned_) driver_.host_unregister(memory);
  for (const auto& [start, room] : rooms_) {
    driver_.event_destroy(room.vacant);
    driver_.event_destroy(room.filled);
  }
  for (const Stage& stage : stages_) {
    driver_.host_free(stage.memory);
    driver_.event_destroy(stage.copied);
  }
  for (const cuda::Event event : spare_) driver_.event_destroy(event);
  driver_.event_destroy(computed_);
  driver_.stream_destroy(out_);
  for (const cuda::Stream stream : in_) driver_.stream_destroy(stream);
  driver_.stream_destroy(urgent_);
}

cuda::Event GpuTransfers::NewEvent() const {
  cuda::Event event = nullptr;
  Check(driver_.event_create(&event, cuda::kEventDisableTiming | cuda::kEventBlockingSync), "making an event");
  return event;
}

cuda::Event GpuTransfers::TakeEvent() {
  if (spare_.empty()) return NewEvent();
  const cuda::Event event = spare_.back();
  spare_.pop_back();
  return event;
}

void GpuTransfers::Fill(const Region& to, const void* from) {
  for (size_t done = 0; done < to.bytes;) {
    const size_t bytes = std::min(kStageBytes, to.bytes - done);
    const Stage& stage = FreeStage();
    std::memcpy(stage.memory, static_cast<const char*>(from) + done, bytes);
    Check(driver_.to_device(Of(to.start) + done, stage.memory, bytes, compute_), "copying to the GPU");
    Check(driver_.event_record(stage.copied, compute_), "copying to the GPU");
    done += bytes;
  }
}

const GpuTransfers::Stage& GpuTransfers::FreeStage() {
  const bool is_next_free = !stages_.empty() && driver_.event_query(stages_[next_stage_ % stages_.size()].copied) == 0;
  if (!is_next_free && stages_.size() < kMostStages) {
    void* memory = nullptr;
    Check(driver_.host_allocate(&memory, kStageBytes, cuda::kHostPortable), "allocating page-locked memory");
    const size_t at = stages_.empty() ? 0 : next_stage_ % stages_.size();
    stages_.insert(stages_.begin() + static_cast<std::ptrdiff_t>(at), {static_cast<char*>(memory), NewEvent()});
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

Ticket GpuTransfers::Send(const Region& from, void* to, std::function<void()> hold) {
  const Ticket ticket = ++sent_;
  float* const target = from.bytes <= kFewBytes && from.bytes % sizeof(float) == 0 ? OnGpu(to, from.bytes) : nullptr;
  if (target == nullptr) {
    FollowCompute();
    Check(driver_.to_host(to, Of(from.start), from.bytes, out_), "sending from the GPU");
    Leaving(together_.count > 0 ? first_together_ - 1 : ticket, {std::move(hold)});
    return ticket;
  }
  if (together_.count == 0) first_together_ = ticket;
  const auto length = static_cast<unsigned>(from.bytes / sizeof(float));
  together_.entries[together_.count++] = {reinterpret_cast<const float*>(from.start), target, length, together_blocks_};
  together_blocks_ += BlocksFor(length);
  together_holds_.push_back(std::move(hold));
  if (together_.count == SendBatch::kEntries || together_blocks_ >= kMostBlocksTogether) SendTogether();
  return ticket;
}

void GpuTransfers::SendTogether() {
  if (together_.count == 0) return;
  FollowCompute();
  kernels_.Send(together_, together_blocks_, out_);
  together_.count = 0;
  together_blocks_ = 0;
  Leaving(sent_, std::move(together_holds_));
  together_holds_.clear();
}

void GpuTransfers::FollowCompute() {
  Check(driver_.event_record(computed_, compute_), "sending from the GPU");
  Check(driver_.stream_wait(out_, computed_, 0), "sending from the GPU");
}

void GpuTransfers::Leaving(Ticket ticket, std::vector<std::function<void()>> holds) {
  Release();
  const cuda::Event arrived = TakeEvent();
  Check(driver_.event_record(arrived, out_), "sending from the GPU");
  sending_.push_back({ticket, arrived, std::move(holds)});
}

float* GpuTransfers::OnGpu(void* memory, size_t bytes) const {
  char* const start = static_cast<char*>(memory);
  auto found = pinned_.upper_bound(start);
  if (found == pinned_.begin()) return nullptr;
  const auto& [first, pinned] = *--found;
  const size_t offset = static_cast<size_t>(start - first);
  if (pinned.address == 0 || offset + bytes > pinned.bytes) return nullptr;
  return reinterpret_cast<float*>(pinned.address + offset);
}

// Lets go of what has arrived.
void GpuTransfers::Release() {
  while (!sending_.empty()) {
    const cuda::Result result = driver_.event_query(sending_.front().arrived);
    if (result == cuda::kNotReady) return;
    Check(result, "sending from the GPU");
    arrived_ = sending_.front().ticket;
    spare_.push_back(sending_.front().arrived);
    sending_.pop_front();
  }
}

bool GpuTransfers::Arrived(Ticket ticket) {
  if (ticket <= arrived_) return true;
  if (together_.count > 0 && ticket >= first_together_) SendTogether();
  Release();
  return ticket <= arrived_;
}

void GpuTransfers::Wait(Ticket ticket) {
  if (ticket > sent_) Refuse("there is no transfer " + std::to_string(ticket));
  const auto asleep = std::chrono::steady_clock::now() + kAwake;
  while (!Arrived(ticket)) {
    if (std::chrono::steady_clock::now() < asleep) continue;
    Check(driver_.event_synchronize(sending_.front().arrived), "waiting for the GPU");
  }
}

void GpuTransfers::Finish() {
  SendTogether();
  Check(driver_.stream_synchronize(compute_), "waiting for the GPU");
  FinishCopies();
}

void GpuTransfers::FinishCopies() {
  for (const cuda::Stream stream : {out_, urgent_}) Check(driver_.stream_synchronize(stream), "waiting for the GPU");
  for (const cuda::Stream stream : in_) Check(driver_.stream_synchronize(stream), "waiting for the GPU");
}

void GpuTransfers::Pin(void* memory, size_t bytes) {
  char* const start = static_cast<char*>(memory);
  if (bytes == 0 || pinned_.count(start) > 0) return;
  const unsigned flags = cuda::kHostPortable | cuda::kHostMapped;
  Check(driver_.host_register(memory, bytes, flags), "locking memory for transfers");
  Pinned pinned{bytes, 0};
  if (driver_.host_address(&pinned.address, memory, 0) != cuda::kSuccess) pinned.address = 0;
  pinned_[start] = pinned;
}

void GpuTransfers::Unpin(void* memory) {
  if (pinned_.count(static_cast<char*>(memory)) == 0) return;
  SendTogether();
  FinishCopies();
  pinned_.erase(static_cast<char*>(memory));
  Check(driver_.host_unregister(memory), "unlocking memory");
}

void GpuTransfers::Reserve(const Region& room) {
  const Room made{room.bytes, TakeEvent(), TakeEvent(), false, false};
  // Whoever had this memory before may still have kernels waiting to read it.
  Check(driver_.event_record(made.vacant, compute_), "receiving on the GPU");
  rooms_[Of(room.start)] = made;
}

void GpuTransfers::Bring(const Region& to, const void* from) {
  const auto found = rooms_.find(Of(to.start));
  if (found == rooms_.end()) Refuse("this tensor is no room to be filled");
  Room& room = found->second;
  if (room.brought) Check(driver_.event_record(room.vacant, compute_), "receiving on the GPU");
  const cuda::Stream stream = to.bytes <= kUrgentBytes ? urgent_ : in_[next_in_++ % kStreamsIn];
  Check(driver_.stream_wait(stream, room.vacant, 0), "receiving on the GPU");
  Check(driver_.to_device(found->first, from, to.bytes, stream), "receiving on the GPU");
  Check(driver_.event_record(room.filled, stream), "receiving on the GPU");
  room.brought = room.filling = true;
}

void GpuTransfers::Settle(const void* place) {
  auto found = rooms_.upper_bound(Of(place));
  if (found == rooms_.begin()) return;
  Room& room = (--found)->second;
  if (!room.filling || Of(place) >= found->first + room.bytes) return;
  // Whatever is sent to the host after this waits for the compute stream, and so for this copy: the host's memory that
  // it is from is not overwritten before it is over.
  Check(driver_.stream_wait(compute_, room.filled, 0), "receiving on the GPU");
  room.filling = false;
}

void GpuTransfers::Leave(const void* start) {
  const auto found = rooms_.find(Of(start));
  if (found == rooms_.end()) return;
  Settle(start);
  spare_.push_back(found->second.vacant);
  spare_.push_back(found->second.filled);
  rooms_.erase(found);
}

}  // namespace hayate
