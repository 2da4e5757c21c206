// Bytes between a GPU and its host, beside what is being computed.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "cuda_driver_gpu.h"
#include "device.h"
#include "gpu_kernels_gpu.h"

namespace hayate {

class GpuTransfers {
 public:
  // `compute` is the stream that tensors are computed on.
  GpuTransfers(cuda::Stream compute, GpuKernels& kernels);
  ~GpuTransfers();
  GpuTransfers(const GpuTransfers&) = delete;

  // Copies to the GPU on the compute stream; `from` may change when this returns.
  void Fill(const Region& to, const void* from);
  // Waits until the bytes are there.
  void Read(const Region& from, void* to);

  // Copies to the host on a stream of its own; `hold` keeps the memory alive, which must not be written meanwhile, until
  // the bytes have arrived. A few bytes are put off, to leave with others, until somebody asks whether they have arrived.
  Ticket Send(const Region& from, void* to, std::function<void()> hold);
  bool Arrived(Ticket ticket);
  void Wait(Ticket ticket);

  // Waits for everything, what is computed included.
  void Finish();

  void Pin(void* memory, size_t bytes);
  void Unpin(void* memory);

  // Memory that was allocated just now in the order of the compute stream, for bytes from the host.
  void Reserve(const Region& room);
  // Copies into reserved memory on a stream of its own, as soon as nothing that was asked for before it was reserved (or
  // before it is filled again) can be using it.
  void Bring(const Region& room, const void* from);
  // Kernels that are started from now on find the bytes that were brought to the room that `place` is in, if any.
  void Settle(const void* place);
  bool HasRooms() const { return !rooms_.empty(); }
  // The memory is reserved no more, and free for what the compute stream does from now on.
  void Leave(const void* start);

 private:
  // When `arrived` has happened, so have all transfers up to `ticket`.
  struct Sending {
    Ticket ticket;
    cuda::Event arrived;
    std::vector<std::function<void()>> holds;
  };
  struct Pinned {
    size_t bytes;
    // Its address on the GPU, or 0.
    cuda::Pointer address;
  };
  struct Room {
    size_t bytes;
    cuda::Event vacant, filled;
    // Bytes have been brought; the compute stream has not been told to wait for them.
    bool brought, filling;
  };
  struct Stage {
    char* memory;
    cuda::Event copied;
  };

  cuda::Event NewEvent() const;
  void FinishCopies();
  // Page-locked memory that nothing is being copied from.
  const Stage& FreeStage();
  cuda::Event TakeEvent();
  void Release();
  // Address on the GPU of `bytes` bytes of the host, or null where they are not pinned.
  float* OnGpu(void* memory, size_t bytes) const;
  // The stream that bytes leave on waits for everything that is computed.
  void FollowCompute();
  void Leaving(Ticket ticket, std::vector<std::function<void()>> holds);
  void SendTogether();

  const cuda::Driver& driver_;
  const cuda::Stream compute_;
  cuda::Stream out_ = nullptr, urgent_ = nullptr;
  std::vector<cuda::Stream> in_;
  size_t next_in_ = 0;
  cuda::Event computed_ = nullptr;
  GpuKernels& kernels_;
  std::deque<Sending> sending_;
  // What has been put off, the first ticket among it, and what keeps its memory.
  SendBatch together_{};
  unsigned together_blocks_ = 0;
  Ticket first_together_ = 0;
  std::vector<std::function<void()>> together_holds_;
  std::vector<cuda::Event> spare_;
  Ticket sent_ = 0, arrived_ = 0;
  std::map<cuda::Pointer, Room> rooms_;
  std::vector<Stage> stages_;
  size_t next_stage_ = 0;
  std::map<char*, Pinned> pinned_;
};

}  // namespace hayate
