#include "cublas_gpu.h"

#include <string>

#include "dynamic_library_gpu.h"
#include "failure.h"

namespace hayate {
namespace {

// Names and numbers are those of cublas_api.h.
constexpr int kAsIs = 0, kTransposed = 1;
constexpr int kDefaultMath = 0, kTf32Math = 3;

struct Library {
  int (*create)(void**);
  int (*destroy)(void*);
  int (*set_stream)(void*, cuda::Stream);
  int (*set_math)(void*, int);
  int (*product)(void*, int, int, int, int, int, const float*, const float*, int, const float*, int, const float*,
                 float*, int);
};

const Library& Load() {
  static const Library library = [] {
    const DynamicLibrary found({"libcublas.so.12"}, "cuBLAS");
    Library l{};
    found.Find("cublasCreate_v2", &l.create);
    found.Find("cublasDestroy_v2", &l.destroy);
    found.Find("cublasSetStream_v2", &l.set_stream);
    found.Find("cublasSetMathMode", &l.set_math);
    found.Find("cublasSgemm_v2", &l.product);
    return l;
  }();
  return library;
}

void Check(int result) {
  if (result != 0) throw Failure(TF_INTERNAL, "starting cuBLAS: error " + std::to_string(result));
}

}  // namespace

bool IsMatrixProduct(const Convolution& c) {
  const bool is_pixel = c.filter_height == 1 && c.filter_width == 1 && c.stride_height == 1 && c.stride_width == 1;
  const bool is_bare = c.top == 0 && c.bottom == 0 && c.left == 0 && c.right == 0;
  return is_pixel && is_bare && c.channels_first == 0 && c.batch * c.in_height * c.in_width < INT32_MAX;
}

MatrixProducts::MatrixProducts(cuda::Stream stream, bool tf32) {
  Check(Load().create(&handle_));
  Check(Load().set_stream(handle_, stream));
  Check(Load().set_math(handle_, tf32 ? kTf32Math : kDefaultMath));
}

MatrixProducts::~MatrixProducts() { Load().destroy(handle_); }

// cuBLAS counts matrices by columns: a matrix that we store by rows is its transpose to it.
bool MatrixProducts::Multiply(const MatrixProduct& p, const float* a, const float* b, float* result) const {
  const int rows = static_cast<int>(p.rows), columns = static_cast<int>(p.columns), inner = static_cast<int>(p.inner);
  const float one = 1, zero = 0;
  return Load().product(handle_, p.transpose_b ? kTransposed : kAsIs, p.transpose_a ? kTransposed : kAsIs, columns, rows,
                        inner, &one, b, p.transpose_b ? inner : columns, a, p.transpose_a ? rows : inner, &zero, result,
                        columns) == 0;
}

bool MatrixProducts::Run(const Convolution& c, const ConvolutionTensors& tensors) const {
  const int pixels = static_cast<int>(c.batch * c.in_height * c.in_width);
  const int in = static_cast<int>(c.in_channels), out = static_cast<int>(c.out_channels);
  const float one = 1, zero = 0;
  const auto product = [&](int of_a, int of_b, int rows, int columns, int inner, const float* a, int stride_a,
                           const float* b, int stride_b, float* result, int stride) {
    return Load().product(handle_, of_a, of_b, rows, columns, inner, &one, a, stride_a, b, stride_b, &zero, result,
                          stride) == 0;
  };
  switch (c.product) {
    case Product::kForward:
      return product(kTransposed, kAsIs, out, pixels, in, tensors.filter, in, tensors.image, in, tensors.upstream, out);
    case Product::kInputGradient:
      return product(kAsIs, kAsIs, in, pixels, out, tensors.filter, in, tensors.upstream, out, tensors.image, in);
    case Product::kFilterGradient:
      return product(kAsIs, kTransposed, in, out, pixels, tensors.image, in, tensors.upstream, out, tensors.filter, in);
  }
  return false;
}

}  // namespace hayate
