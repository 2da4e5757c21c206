#include "gpu_precision_gpu.h"

#include <cstring>
#include <string>
#include <utility>

#include "failure.h"

namespace hayate {

using cuda::Check;

GpuPrecision::GpuPrecision(const Convolution& convolution, const cuda::Driver& driver, cuda::Stream stream,
                           const Take& take, Give give)
    : convolution_(convolution),
      driver_(driver),
      stream_(stream),
      give_(std::move(give)),
      probe_(ProbeOf(convolution)) {
  if (!probe_) return;
  const auto numbers = [&](int64_t count) {
    void* const memory = take(count * sizeof(float));
    if (memory == nullptr) {
      probe_.reset();
    } else {
      taken_.push_back(memory);
    }
    return static_cast<float*>(memory);
  };
  const int64_t image = convolution.ImageElements(), filter = convolution.FilterElements(),
                upstream = convolution.UpstreamElements();
  tensors_ = {numbers(image), numbers(filter), numbers(upstream)};
  if (!probe_) return;
  const bool is_filter_gradient = convolution.product == Product::kFilterGradient;
  float* const one = is_filter_gradient ? tensors_.upstream : tensors_.filter;
  Fill(one, is_filter_gradient ? upstream : filter, 0);
  Fill(one + probe_->one, 1, 1);
  const bool is_input_gradient = convolution.product == Product::kInputGradient;
  Fill(is_input_gradient ? tensors_.upstream : tensors_.image, is_input_gradient ? upstream : image, kProbed);
}

GpuPrecision::~GpuPrecision() {
  for (void* const memory : taken_) give_(memory);
}

bool GpuPrecision::IsKept(const std::function<bool(const ConvolutionTensors&)>& run) {
  if (!probe_) return true;
  float* const looked_at = Product() + probe_->result;
  Fill(looked_at, 1, 0);
  if (!run(tensors_)) return false;
  float result = 0;
  Check(driver_.to_host(&result, reinterpret_cast<cuda::Pointer>(looked_at), sizeof(result), stream_),
        "trying a convolution");
  Check(driver_.stream_synchronize(stream_), "trying a convolution");
  return IsFloat32(result);
}

void GpuPrecision::Fill(float* tensor, int64_t elements, float number) {
  unsigned bits;
  std::memcpy(&bits, &number, sizeof(bits));
  Check(driver_.fill(reinterpret_cast<cuda::Pointer>(tensor), bits, elements, stream_), "trying a convolution");
}

float* GpuPrecision::Product() const {
  switch (convolution_.product) {
    case Product::kForward:
      return tensors_.upstream;
    case Product::kInputGradient:
      return tensors_.image;
    case Product::kFilterGradient:
      return tensors_.filter;
  }
  Refuse("there is no such product of a convolution");
}

}  // namespace hayate
