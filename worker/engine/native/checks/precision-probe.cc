// Probes of convolutions of all kinds, for precision-probe.test.ts: computed as simply as can be, in float32 and with factors
// rounded to fewer bits. Ends with 1 and says which one was judged wrongly; else says how many there were, and how many without a probe.
#include "../addon/precision_probe.h"

#include <cmath>
#include <cstring>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace {

using hayate::Convolution;
using hayate::Product;

// With as many bits behind the point.
float Rounded(float number, int bits) {
  if (number == 0) return 0;
  const float unit = std::ldexp(1.0f, std::ilogb(number) - bits);
  return std::nearbyint(number / unit) * unit;
}

// What is at `result` where the product is computed of such factors.
float Computed(const Convolution& c, const hayate::PrecisionProbe& probe, int bits) {
  std::vector<float> image(c.ImageElements()), filter(c.FilterElements()), upstream(c.UpstreamElements());
  const auto all = [](std::vector<float>& tensor) { tensor.assign(tensor.size(), hayate::kProbed); };
  const auto one = [&](std::vector<float>& tensor) { tensor.at(probe.one) = 1; };
  switch (c.product) {
    case Product::kForward: all(image), one(filter); break;
    case Product::kInputGradient: all(upstream), one(filter); break;
    case Product::kFilterGradient: all(image), one(upstream); break;
  }
  const bool first = c.channels_first != 0;
  const auto add = [&](float& sum, float a, float b) { sum += Rounded(a, bits) * Rounded(b, bits); };
  for (int64_t n = 0; n < c.batch; n++)
    for (int64_t oy = 0; oy < c.out_height; oy++)
      for (int64_t ox = 0; ox < c.out_width; ox++)
        for (int64_t fy = 0; fy < c.filter_height; fy++)
          for (int64_t fx = 0; fx < c.filter_width; fx++) {
            const int64_t iy = oy * c.stride_height - c.top + fy * c.dilation_height;
            const int64_t ix = ox * c.stride_width - c.left + fx * c.dilation_width;
            if (iy < 0 || iy >= c.in_height || ix < 0 || ix >= c.in_width) continue;
            for (int64_t i = 0; i < c.in_channels; i++)
              for (int64_t o = 0; o < c.out_channels; o++) {
                const auto at = [first](int64_t group, int64_t row, int64_t column, int64_t channel, int64_t height, int64_t width,
                                   int64_t channels) {
                  return first ? ((group * channels + channel) * height + row) * width + column
                               : ((group * height + row) * width + column) * channels + channel;
                };
                float& x = image[at(n, iy, ix, i, c.in_height, c.in_width, c.in_channels)];
                float& w = filter[at(o, fy, fx, i, c.filter_height, c.filter_width, c.in_channels)];
                float& y = upstream[at(n, oy, ox, o, c.out_height, c.out_width, c.out_channels)];
                switch (c.product) {
                  case Product::kForward: add(y, x, w); break;
                  case Product::kInputGradient: add(x, y, w); break;
                  case Product::kFilterGradient: add(w, x, y); break;
                }
              }
          }
  const std::vector<float>& product = c.product == Product::kForward          ? upstream
                                      : c.product == Product::kInputGradient ? image
                                                                              : filter;
  return product.at(probe.result);
}

}  // namespace

int main(int, char** arguments) {
  std::mt19937 random(std::stoul(arguments[1]));
  const auto upto = [&random](int64_t most) { return static_cast<int64_t>(random() % most) + 1; };
  int tried = 0, without = 0;
  for (; tried < 3000; tried++) {
    Convolution c{static_cast<Product>(random() % 3), static_cast<int64_t>(random() % 2)};
    c.batch = upto(2), c.in_channels = upto(3), c.out_channels = upto(3), c.in_height = upto(7), c.in_width = upto(7);
    c.filter_height = upto(5), c.filter_width = upto(5), c.stride_height = upto(3), c.stride_width = upto(3);
    c.dilation_height = upto(2), c.dilation_width = upto(2);
    c.top = upto(5) - 1, c.bottom = upto(5) - 1, c.left = upto(5) - 1, c.right = upto(5) - 1;
    const auto out = [](int64_t in, int64_t before, int64_t after, int64_t taps, int64_t dilation, int64_t stride) {
      return (in + before + after - (taps - 1) * dilation - 1) / stride + 1;
    };
    if (c.in_height + c.top + c.bottom <= (c.filter_height - 1) * c.dilation_height) continue;
    if (c.in_width + c.left + c.right <= (c.filter_width - 1) * c.dilation_width) continue;
    c.out_height = out(c.in_height, c.top, c.bottom, c.filter_height, c.dilation_height, c.stride_height);
    c.out_width = out(c.in_width, c.left, c.right, c.filter_width, c.dilation_width, c.stride_width);
    const auto probe = hayate::ProbeOf(c);
    without += !probe;
    for (const int bits : {23, 10, 7}) {
      if (!probe || hayate::IsFloat32(Computed(c, *probe, bits)) == (bits == 23)) continue;
      std::cerr << "product " << static_cast<int64_t>(c.product) << " with " << bits << " bits gives "
                << Computed(c, *probe, bits) << '\n';
      return 1;
    }
  }
  for (const float off : {1e-6f, -1e-6f}) {
    if (!hayate::IsFloat32(hayate::kProbed * (1 + off))) return std::cerr << "Winograd's sums are refused\n", 1;
  }
  std::cout << tried << ' ' << without << '\n';
  return 0;
}
