// Convolutions in a GPU's memory: where they are computed, with what they need besides.
#pragma once

#include <memory>
#include <vector>

#include "gpu_convolutions_gpu.h"
#include "gpu_kernels_gpu.h"
#include "tensorflow/core/framework/allocator.h"

namespace hayate {

class GpuConvolver {
 public:
  // cuDNN is started with the first convolution.
  GpuConvolver(tensorflow::Allocator* allocator, GpuKernels& kernels, cuda::Stream stream, Precision precision,
               GpuConvolutions::Products products);

  // As Device::Algorithms and Device::Convolve.
  std::vector<Cost> Algorithms(const Convolution& convolution);
  bool Run(const Convolution& convolution, const ConvolutionTensors& tensors, int64_t most_bytes);

 private:
  GpuConvolutions& Convolutions();

  tensorflow::Allocator* const allocator_;
  GpuKernels& kernels_;
  const cuda::Stream stream_;
  const Precision precision_;
  const GpuConvolutions::Products products_;
  const Workspaces workspaces_;
  std::unique_ptr<GpuConvolutions> convolutions_;
};

}  // namespace hayate
