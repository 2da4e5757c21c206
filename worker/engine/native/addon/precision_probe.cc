#include "precision_probe.h"

#include <cmath>

namespace hayate {
namespace {

// A pixel of the result, a tap of the filter and the image's pixel that they meet in, in one direction.
struct Meeting {
  int64_t out, tap, in;
};

// One in the middle if there is any there.
std::optional<Meeting> Meet(int64_t out_size, int64_t taps, int64_t in_size, int64_t stride, int64_t dilation,
                            int64_t before) {
  for (int64_t at = 0; at < out_size; at++) {
    const int64_t out = (out_size / 2 + at) % out_size;
    for (int64_t tap = 0; tap < taps; tap++) {
      const int64_t in = out * stride - before + tap * dilation;
      if (in >= 0 && in < in_size) return Meeting{out, tap, in};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<PrecisionProbe> ProbeOf(const Convolution& c) {
  const auto rows = Meet(c.out_height, c.filter_height, c.in_height, c.stride_height, c.dilation_height, c.top);
  const auto columns = Meet(c.out_width, c.filter_width, c.in_width, c.stride_width, c.dilation_width, c.left);
  if (!rows || !columns || c.batch == 0 || c.in_channels == 0 || c.out_channels == 0) return std::nullopt;
  // Of the first channel, of the first picture or filter.
  const auto place = [&](int64_t row, int64_t column, int64_t width, int64_t channels) {
    return (row * width + column) * (c.channels_first != 0 ? 1 : channels);
  };
  const int64_t image = place(rows->in, columns->in, c.in_width, c.in_channels);
  const int64_t filter = place(rows->tap, columns->tap, c.filter_width, c.in_channels);
  const int64_t upstream = place(rows->out, columns->out, c.out_width, c.out_channels);
  switch (c.product) {
    case Product::kForward:
      return PrecisionProbe{filter, upstream};
    case Product::kInputGradient:
      return PrecisionProbe{filter, image};
    case Product::kFilterGradient:
      return PrecisionProbe{upstream, filter};
  }
  return std::nullopt;
}

bool IsFloat32(float result) { return std::abs(result - kProbed) < 0x1p-14f; }

}  // namespace hayate
