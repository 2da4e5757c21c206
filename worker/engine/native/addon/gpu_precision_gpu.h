// Whether algorithms of cuDNN compute in float32 when they are asked to.
#pragma once

#include <functional>
#include <optional>

#include "cuda_driver_gpu.h"
#include "gpu_workspace_gpu.h"
#include "precision_probe.h"

namespace hayate {

// What an algorithm says of itself is not enough: cuDNN 9.28 has one for filter gradients of pictures with one channel, as
// in mnist's first layer, that does not note that it uses tensor cores, and was off by 5e-4 of the largest number.
class GpuPrecision {
 public:
  // Takes memory for the tensors of a convolution. Where there is too little, nothing is tried: evaluation, which meets
  // convolutions that nobody has planned for, shall not fail for that.
  GpuPrecision(const Convolution& convolution, const cuda::Driver& driver, cuda::Stream stream,
               const Workspaces& workspaces);
  GpuPrecision(const GpuPrecision&) = delete;

  // `run` computes the convolution of these tensors; false where it cannot.
  bool IsKept(const std::function<bool(const ConvolutionTensors&)>& run);

 private:
  void Fill(float* numbers, int64_t count, float number);

  const cuda::Driver& driver_;
  const cuda::Stream stream_;
  const Workspace image_, filter_, upstream_;
  const ConvolutionTensors tensors_;
  // What to look at; null where nothing is tried.
  float* result_ = nullptr;
};

}  // namespace hayate
