// Bytes that come to a GPU from its host, beside what is being computed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_map>
#include <utility>

#include "device.h"
#include "gpu_streams_gpu.h"
#include "gpu_turns_gpu.h"
#include "gpu_words_gpu.h"

namespace hayate {

class GpuArrivals {
 public:
  using Hold = std::function<void()>;

  // `compute` is the stream that tensors are computed on.
  explicit GpuArrivals(cuda::Stream compute);
  ~GpuArrivals();
  GpuArrivals(const GpuArrivals&) = delete;

  // Bytes will come to `place`. Unless it is vacant, something that was asked for before may still be using it. `hold` keeps
  // its memory until they have been brought and settled: the driver refuses to copy to what has been freed, even if
  // the GPU is yet to come to that.
  Ticket Expect(const Region& place, bool is_vacant, Hold hold);
  // Copies them there, at once; false while the place is in use: they are to be brought later then. They must stay as
  // they are until something that is computed behind Settle has happened.
  bool Bring(Ticket expected, const void* from, size_t bytes);
  // What is computed from now on waits until they are there, whether or not they have been brought. False where this GPU
  // cannot wait for what nobody has brought.
  bool Settle(Ticket expected);
  // Something that is computed stands still until somebody brings it.
  bool IsWaiting() const { return waiting_ > 0; }
  // Milliseconds that the GPU has stood still in Settle, of what is known and was not told before.
  double Stalled();
  // Lets the GPU go on where it waits for what nobody will bring.
  void Abandon();
  void Finish();

 private:
  struct Expected {
    Region place;
    // Events, or null: nobody uses the place any more; the bytes are there.
    cuda::Event vacant, filled;
    // Where the GPU is told that they are, and what: 0 where nothing waits for that.
    uint32_t word, value;
    Hold hold;
  };

  Expected& Find(Ticket expected);
  void MarkStall(cuda::Event begin);

  const cuda::Driver& driver_;
  const cuda::Stream compute_;
  GpuEvents events_, times_;
  GpuCopyStream small_, large_;
  GpuTurns turns_;
  Ticket told_ = 0;
  std::unordered_map<Ticket, Expected> expected_;
  // How many of them are settled and have not been brought.
  size_t waiting_ = 0;
  // Used in turn: when one comes round again, whoever has waited for it is long through.
  GpuWords words_;
  uint64_t waits_ = 0;
  bool can_wait_ = false;
  // Where the GPU came to a wait, and where it went on.
  std::deque<std::pair<cuda::Event, cuda::Event>> stalls_;
};

}  // namespace hayate
