// Products of matrices, which convolutions of single pixels are too, by cuBLAS, found at run time.
#pragma once

#include "convolution.h"
#include "cuda_driver_gpu.h"
#include "device.h"

namespace hayate {

// True for windows of one pixel that leave none out: every pixel's channels are multiplied by the filter as a matrix.
bool IsMatrixProduct(const Convolution& convolution);

class MatrixProducts {
 public:
  MatrixProducts(cuda::Stream stream, bool tf32);
  ~MatrixProducts();
  MatrixProducts(const MatrixProducts&) = delete;

  // False where cuBLAS could not start it.
  bool Multiply(const MatrixProduct& product, const float* a, const float* b, float* result) const;
  bool Run(const Convolution& convolution, const ConvolutionTensors& tensors) const;

 private:
  void* handle_ = nullptr;
};

}  // namespace hayate
