// Whether algorithms of cuDNN compute in float32 when they are asked to.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "cuda_driver_gpu.h"
#include "precision_probe.h"

namespace hayate {

// What an algorithm says of itself is not enough: cuDNN 9.28 has one for filter gradients of pictures with one channel, as
// in mnist's first layer, that does not note that it uses tensor cores, and was off by 5e-4 of the largest number.
class GpuPrecision {
 public:
  // Memory for a while; nullptr where there is none.
  using Take = std::function<void*(size_t)>;
  using Give = std::function<void(void*)>;

  // Takes memory for the tensors of a convolution. Where there is too little, nothing is tried: evaluation, which meets
  // convolutions that nobody has planned for, shall not fail for that.
  GpuPrecision(const Convolution& convolution, const cuda::Driver& driver, cuda::Stream stream, const Take& take,
               Give give);
  ~GpuPrecision();
  GpuPrecision(const GpuPrecision&) = delete;

  // `run` computes the convolution of these tensors; false where it cannot.
  bool IsKept(const std::function<bool(const ConvolutionTensors&)>& run);

 private:
  void Fill(float* tensor, int64_t elements, float number);
  float* Product() const;

  const Convolution convolution_;
  const cuda::Driver& driver_;
  const cuda::Stream stream_;
  const Give give_;
  std::optional<PrecisionProbe> probe_;
  std::vector<void*> taken_;
  ConvolutionTensors tensors_{};
};

}  // namespace hayate
