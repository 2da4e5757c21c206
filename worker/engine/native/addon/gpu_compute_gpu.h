// What a GPU computes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cublas_gpu.h"
#include "device.h"
#include "gpu_convolver_gpu.h"
#include "gpu_kernels_gpu.h"
#include "gpu_scratch_gpu.h"

namespace hayate {

class GpuCompute : public Device {
 public:
  void AddBias(float* values, const float* bias, int64_t outer, int64_t channels, int64_t inner, bool relu) override {
    Enter();
    kernels_.AddBias(values, bias, outer, channels, inner, relu);
  }
  void PlaneSums(const float* values, float* sums, int64_t outer, int64_t channels, int64_t inner) override {
    Enter();
    kernels_.PlaneSums(values, sums, outer, channels, inner);
  }

  std::vector<Cost> Algorithms(const Convolution& convolution) override {
    Enter();
    return convolver_.Algorithms(convolution);
  }
  bool Convolve(const Convolution& convolution, const ConvolutionTensors& tensors, int64_t most_bytes) override {
    Enter();
    return convolver_.Run(convolution, tensors, most_bytes);
  }

  bool Multiply(const MatrixProduct& product, const float* a, const float* b, float* result) override {
    Enter();
    return Products().Multiply(product, a, b, result);
  }
  void Apply(Elementwise op, const float* a, const float* b, bool is_scalar, float* target, int64_t length) override {
    Enter();
    kernels_.Apply(op, a, b, is_scalar, target, length);
  }
  void CrossEntropy(const float* logits, const int32_t* labels, int64_t rows, int64_t classes, float* loss) override {
    Enter();
    kernels_.CrossEntropy(logits, labels, rows, classes, loss);
  }
  void CrossEntropyGrad(const float* dy, const float* logits, const int32_t* labels, int64_t rows, int64_t classes,
                        float* target) override {
    Enter();
    kernels_.CrossEntropyGrad(dy, logits, labels, rows, classes, target);
  }

  void MaxPool(const Window& window, const float* image, float* target) override {
    Enter();
    kernels_.MaxPool(window, image, target);
  }
  void MaxPoolGrad(const Window& window, const float* image, const float* dy, float* target, float floor) override {
    Enter();
    const size_t bytes = GpuKernels::WinnerBytes(window);
    const Scratch winners(allocator_, bytes);
    kernels_.MaxPoolGrad(window, image, dy, target, floor, winners.memory());
  }

  void ReluGrad(const float* dy, const float* more, const float* y, float* target, int64_t length) override {
    Enter();
    kernels_.ReluGrad(dy, more, y, target, length);
  }
  void BatchNorm(const Normalisation& norm, double momentum, const std::vector<float*>& in,
                 const std::vector<float*>& out) override {
    Enter();
    kernels_.BatchNorm(norm, momentum, in, out);
  }
  void BatchNormGrad(const Normalisation& norm, const std::vector<float*>& in,
                     const std::vector<float*>& out) override {
    Enter();
    kernels_.BatchNormGrad(norm, in, out);
  }

  void Uniform(float* target, size_t length, uint32_t first, uint32_t second, double min, double width) override {
    Enter();
    kernels_.Uniform(target, length, first, second, min, width);
  }

 protected:
  // On `stream`, with memory of `allocator`.
  GpuCompute(tensorflow::Allocator* allocator, cuda::Device gpu, cuda::Stream stream, Precision precision)
      : allocator_(allocator),
        stream_(stream),
        kernels_(gpu, stream),
        precision_(precision),
        convolver_(allocator_, kernels_, stream, precision, [this]() -> MatrixProducts& { return Products(); }) {}

  // Before anything is asked of the GPU: it is the thread's, and what was put off happens first.
  virtual void Enter() = 0;

  tensorflow::Allocator* const allocator_;
  const cuda::Stream stream_;
  GpuKernels kernels_;

 private:
  // cuBLAS is started with the first product.
  MatrixProducts& Products() {
    if (products_ == nullptr) products_ = std::make_unique<MatrixProducts>(stream_, precision_.tf32);
    return *products_;
  }

  const Precision precision_;
  std::unique_ptr<MatrixProducts> products_;
  GpuConvolver convolver_;
};

}  // namespace hayate
