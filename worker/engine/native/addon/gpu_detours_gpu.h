// Which small copies to the host do not stand behind large ones.
#pragma once

#include <deque>
#include <unordered_map>

#include "gpu_streams_gpu.h"

namespace hayate {

// The engine that copies to the host goes on with one stream as long as there is anything to do in it: on an H200 AlexNet's small
// gradients, which the next step needs first, left 2 to 4 ms after they had been computed, behind 200 MiB of others. A kernel
// copies at once, but takes room from those that compute while it waits for the bus: where nothing stands in the way it made
// ResNet-50's steps 6 % longer, and VGG-16's 2 %. How long a copy will stand there the host cannot know when it asks for it, being far
// ahead of the GPU; so what has stood there for long goes by a kernel the next times.
class GpuDetours {
 public:
  // `compute` is the stream that tensors are computed on.
  explicit GpuDetours(cuda::Stream compute) : driver_(cuda::Load()), compute_(compute), times_(0) {}
  GpuDetours(const GpuDetours&) = delete;

  // Whether what goes to `target` is to be copied by a kernel this time; it is asked once for each time.
  bool Take(const void* target);
  // Around what is copied there otherwise: before that is asked for, and behind it in its stream.
  void Begin() { begin_ = times_.Record(compute_); }
  void End(cuda::Stream stream, const void* target) { copies_.push_back({begin_, times_.Record(stream), target}); }

 private:
  struct Copy {
    cuda::Event begin, end;
    const void* target;
  };

  // Looks at copies that have been done since.
  void Learn();

  const cuda::Driver& driver_;
  const cuda::Stream compute_;
  GpuEvents times_;
  cuda::Event begin_ = nullptr;
  std::deque<Copy> copies_;
  // How many more times each goes by a kernel.
  std::unordered_map<const void*, unsigned> detours_;
};

}  // namespace hayate
