// Kernels on tensors in the host's memory where TensorFlow's own for CPUs are slow, or take several passes.
#pragma once

#include <cstdint>

namespace hayate {

// Geometry of a sliding window over NHWC images.
struct Window {
  int64_t batch, in_height, in_width, channels, out_height, out_width;
  int64_t filter_height, filter_width, stride_height, stride_width, top, left;
};

// Sends each output's gradient to the first largest element of its window, unless that is not above `floor`.
// `image` and `target` are the pooled images and their gradient, `dy` the gradient of the result. Uses up to `threads`
// threads; the result does not depend on their number.
void MaxPoolGrad(const Window& window, const float* image, const float* dy, float* target, float floor, int threads);

// values[i] += bias[i % channels], then, with `relu`, negative sums become 0.
void AddBias(float* values, const float* bias, int64_t rows, int64_t channels, bool relu, int threads);

}  // namespace hayate
