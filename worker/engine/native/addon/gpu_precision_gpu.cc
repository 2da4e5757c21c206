#include "gpu_precision_gpu.h"

#include <cstring>

namespace hayate {
namespace {

using cuda::Check;

float* NumbersOf(const Workspace& workspace) { return static_cast<float*>(workspace.memory()); }

}  // namespace

GpuPrecision::GpuPrecision(const Convolution& convolution, const cuda::Driver& driver, cuda::Stream stream,
                           const Workspaces& workspaces)
    : driver_(driver),
      stream_(stream),
      image_(workspaces, convolution.ImageElements() * sizeof(float)),
      filter_(workspaces, convolution.FilterElements() * sizeof(float)),
      upstream_(workspaces, convolution.UpstreamElements() * sizeof(float)),
      tensors_{NumbersOf(image_), NumbersOf(filter_), NumbersOf(upstream_)} {
  const std::optional<PrecisionProbe> probe = ProbeOf(convolution);
  if (!probe || !image_.IsThere() || !filter_.IsThere() || !upstream_.IsThere()) return;
  const auto [image, filter, upstream] = tensors_;
  Fill(image, convolution.ImageElements(), kProbed);
  Fill(filter, convolution.FilterElements(), 0);
  Fill(upstream, convolution.UpstreamElements(), kProbed);
  switch (convolution.product) {
    case Product::kForward:
      Fill(filter + probe->one, 1, 1);
      result_ = upstream + probe->result;
      break;
    case Product::kInputGradient:
      Fill(filter + probe->one, 1, 1);
      result_ = image + probe->result;
      break;
    case Product::kFilterGradient:
      Fill(upstream, convolution.UpstreamElements(), 0);
      Fill(upstream + probe->one, 1, 1);
      result_ = filter + probe->result;
      break;
  }
}

bool GpuPrecision::IsKept(const std::function<bool(const ConvolutionTensors&)>& run) {
  if (result_ == nullptr) return true;
  Fill(result_, 1, 0);
  if (!run(tensors_)) return false;
  float result = 0;
  Check(driver_.to_host(&result, reinterpret_cast<cuda::Pointer>(result_), sizeof(result), stream_),
        "trying a convolution");
  Check(driver_.stream_synchronize(stream_), "trying a convolution");
  return IsFloat32(result);
}

void GpuPrecision::Fill(float* numbers, int64_t count, float number) {
  unsigned bits;
  std::memcpy(&bits, &number, sizeof(bits));
  Check(driver_.fill(reinterpret_cast<cuda::Pointer>(numbers), bits, count, stream_), "trying a convolution");
}

}  // namespace hayate
