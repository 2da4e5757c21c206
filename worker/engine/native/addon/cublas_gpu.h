// The one product of matrices that convolutions of single pixels are, by cuBLAS, found at run time.
#pragma once

#include "convolution.h"
#include "cuda_driver_gpu.h"

namespace hayate {

// True for windows of one pixel that leave none out: every pixel's channels are multiplied by the filter as a matrix.
bool IsMatrixProduct(const Convolution& convolution);

class MatrixProducts {
 public:
  MatrixProducts(cuda::Stream stream, bool tf32);
  ~MatrixProducts();
  MatrixProducts(const MatrixProducts&) = delete;

  // False where cuBLAS could not start it.
  bool Run(const Convolution& convolution, const ConvolutionTensors& tensors) const;

 private:
  void* handle_ = nullptr;
};

}  // namespace hayate
