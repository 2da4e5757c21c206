// Kernels on tensors in the host's memory where TensorFlow's own for CPUs are slow, or take several passes.
#pragma once

#include <cstdint>

namespace hayate {

// Geometry of a sliding window over NHWC images.
struct Window {
  int64_t batch, in_height, in_width, channels, out_height, out_width;
  int64_t filter_height, filter_width, stride_height, stride_width, top, left;
};

// The largest element of every window; a NaN where a window holds one, and −∞ where it lies outside of the picture.
// Uses up to `threads` threads, as all kernels here; no result depends on their number.
void MaxPool(const Window& window, const float* image, float* target, int threads);

// Sends each output's gradient to the first largest element of its window, unless that is not above `floor`.
// `image` and `target` are the pooled images and their gradient, `dy` the gradient of the result.
void MaxPoolGrad(const Window& window, const float* image, const float* dy, float* target, float floor, int threads);

// values[i] += bias[i % channels], then, with `relu`, negative sums become 0.
void AddBias(float* values, const float* bias, int64_t rows, int64_t channels, bool relu, int threads);

// target[c] = the sum of values[row × channels + c] over all rows, of pieces of 16,384 elements in float32, then in
// double precision.
void SumRows(const float* values, int64_t rows, int64_t channels, float* target, int threads);

// Convolution of NHWC pictures with a filter [height, width, channels, out_channels], then the bias (unless nullptr),
// then, with `relu`, negative sums become 0.
void Convolve(const Window& window, int64_t out_channels, const float* x, const float* filter, const float* bias,
              bool relu, float* y, int threads);

// Its gradient for the pictures, for strides of 1 and a margin smaller than the filter.
void ConvolveInputGrad(const Window& window, int64_t out_channels, const float* dy, const float* filter, float* dx,
                       int threads);

// Its gradient for the filter.
void ConvolveFilterGrad(const Window& window, int64_t out_channels, const float* x, const float* dy, float* target,
                        int threads);

}  // namespace hayate
