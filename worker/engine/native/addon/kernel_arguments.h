// Arguments that kernels of our own share.
#pragma once

#include <vector>

#include "call.h"
#include "host_kernels.h"

namespace hayate {

// The numbers of a tensor on the context's device, which must be `length` float32.
float* Floats(Context& context, TensorId id, size_t length);

// A new tensor of float32 that a kernel fills; it goes again if the kernel fails.
class Result {
 public:
  Result(Context& context, const std::vector<int64_t>& shape);
  ~Result();
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;

  float* numbers() const { return numbers_; }
  // The tensor for JavaScript, which has it from now on.
  napi_value Kept(napi_env env);

 private:
  Context& context_;
  TensorId id_;
  float* numbers_;
};

// Height and width: argument `at`.
std::vector<int64_t> SizeOf(const Call& call, size_t at);

// Argument `at`: height and width of a window and of its strides, rows above and columns before the image. `in` and
// `out` are the shapes of images and results.
Window WindowOf(const Call& call, size_t at, const std::vector<int64_t>& in, const std::vector<int64_t>& out);

}  // namespace hayate
