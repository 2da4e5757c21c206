// The sizes of a convolution of images with filters, and which of its three products is meant.
#pragma once

#include <cstdint>

namespace hayate {

enum class Product : int64_t {
  kForward = 0,         // image ∗ filter
  kInputGradient = 1,   // of the image, from upstream and filter
  kFilterGradient = 2,  // of the filter, from image and upstream
};

// Filters lie in memory as [out][in][height][width] where images are [batch][channels][height][width], and as
// [out][height][width][in] where these are [batch][height][width][channels].
struct Convolution {
  Product product;
  int64_t channels_first;
  int64_t batch, in_height, in_width, in_channels;
  int64_t out_height, out_width, out_channels;
  int64_t filter_height, filter_width;
  int64_t stride_height, stride_width, dilation_height, dilation_width;
  int64_t top, bottom, left, right;

  int64_t ImageElements() const { return batch * in_height * in_width * in_channels; }
  int64_t FilterElements() const { return out_channels * filter_height * filter_width * in_channels; }
  int64_t UpstreamElements() const { return batch * out_height * out_width * out_channels; }
};

struct ConvolutionTensors {
  float *image, *filter, *upstream;
};

// How exactly products are computed.
struct Precision {
  // Factors are rounded to TF32.
  bool tf32;
  // No algorithm whose bits depend on the order in which threads come, or on how fast it happened to be.
  bool deterministic;
};

// What an algorithm takes.
struct Cost {
  float milliseconds;
  int64_t workspace_bytes;
};

}  // namespace hayate
