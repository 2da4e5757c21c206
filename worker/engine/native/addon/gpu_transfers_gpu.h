// Bytes between a GPU and its host, beside what is being computed.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "cuda_driver_gpu.h"
#include "device.h"

namespace hayate {

class GpuTransfers {
 public:
  // `compute` is the stream that tensors are computed on.
  explicit GpuTransfers(cuda::Stream compute);
  ~GpuTransfers();
  GpuTransfers(const GpuTransfers&) = delete;

  // Copies to the GPU on the compute stream; `from` may change when this returns.
  void Fill(const Region& to, const void* from);
  // Waits until the bytes are there.
  void Read(const Region& from, void* to);

  // Copies to the host on a stream of its own; `hold` keeps the memory alive until the bytes have arrived.
  Ticket Send(const Region& from, void* to, std::function<void()> hold);
  bool Arrived(Ticket ticket);
  void Wait(Ticket ticket);

  void Pin(void* memory, size_t bytes);
  void Unpin(void* memory);

  // Brings `count` floats from the host to the GPU, a part at a time, on a stream of its own: as much as there is room
  // for arrives ahead of its use. `use` starts kernels on the part that it is given: its place, first element, length.
  void Receive(const float* from, size_t count, const std::function<void(const float*, size_t, size_t)>& use);

 private:
  struct Sending {
    Ticket ticket;
    cuda::Event arrived;
    std::function<void()> hold;
  };
  struct Part {
    cuda::Pointer memory;
    cuda::Event filled, used;
  };
  struct Stage {
    char* memory;
    cuda::Event copied;
  };

  cuda::Event NewEvent() const;
  void Release();

  const cuda::Driver& driver_;
  const cuda::Stream compute_;
  cuda::Stream out_ = nullptr, in_ = nullptr;
  cuda::Event computed_ = nullptr;
  std::deque<Sending> sending_;
  std::vector<cuda::Event> spare_;
  Ticket sent_ = 0, arrived_ = 0;
  std::vector<Part> parts_;
  size_t next_part_ = 0;
  std::vector<Stage> stages_;
  size_t next_stage_ = 0;
  std::map<void*, size_t> pinned_;
};

}  // namespace hayate
