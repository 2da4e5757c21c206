#include "gpu_convolver_gpu.h"

#include <algorithm>

#include "gpu_scratch_gpu.h"

namespace hayate {
namespace {

// cuDNN 9.19 gives wrong filter gradients in float32 where windows reach farther on one side of the image than on the
// other; these images are padded first.
bool IsPadded(const Convolution& c) {
  return c.product == Product::kFilterGradient && (c.top != c.bottom || c.left != c.right);
}

Convolution WithoutOddPadding(Convolution c) {
  if (!IsPadded(c)) return c;
  c.in_height += c.top + c.bottom;
  c.in_width += c.left + c.right;
  c.top = c.bottom = c.left = c.right = 0;
  return c;
}

int64_t PaddedBytes(const Convolution& c) {
  return IsPadded(c) ? WithoutOddPadding(c).ImageElements() * static_cast<int64_t>(sizeof(float)) : 0;
}

}  // namespace

GpuConvolver::GpuConvolver(tensorflow::Allocator* allocator, GpuKernels& kernels, cuda::Stream stream,
                           Precision precision, GpuConvolutions::Products products)
    : allocator_(allocator),
      kernels_(kernels),
      stream_(stream),
      precision_(precision),
      products_(std::move(products)),
      workspaces_{[allocator](size_t bytes) { return allocator->AllocateRaw(256, bytes); },
                  [allocator](void* memory) { allocator->DeallocateRaw(memory); }} {}

GpuConvolutions& GpuConvolver::Convolutions() {
  if (convolutions_ == nullptr) convolutions_ = std::make_unique<GpuConvolutions>(stream_, precision_, products_);
  return *convolutions_;
}

std::vector<Cost> GpuConvolver::Algorithms(const Convolution& convolution) {
  const Convolution c = WithoutOddPadding(convolution);
  std::vector<Scratch> scratch;
  const auto numbers = [&](int64_t count) {
    scratch.emplace_back(allocator_, count * sizeof(float));
    auto* const memory = static_cast<float*>(scratch.back().memory());
    kernels_.Uniform(memory, count, 1, 2, -1, 2);
    return memory;
  };
  std::vector<Cost> costs = Convolutions().Algorithms(
      c,
      [&]() -> ConvolutionTensors {
        return {numbers(c.ImageElements()), numbers(c.FilterElements()), numbers(c.UpstreamElements())};
      },
      workspaces_);
  for (Cost& cost : costs) cost.workspace_bytes += PaddedBytes(convolution);
  return costs;
}

bool GpuConvolver::Run(const Convolution& convolution, const ConvolutionTensors& tensors, int64_t most_bytes) {
  const int64_t padded_bytes = PaddedBytes(convolution);
  if (padded_bytes == 0) return Convolutions().Run(convolution, tensors, most_bytes, workspaces_);
  const Scratch padded(allocator_, padded_bytes);
  auto* const image = static_cast<float*>(padded.memory());
  kernels_.Pad(convolution, tensors.image, image);
  return Convolutions().Run(WithoutOddPadding(convolution), {image, tensors.filter, tensors.upstream},
                            std::max<int64_t>(0, most_bytes - padded_bytes), workspaces_);
}

}  // namespace hayate
