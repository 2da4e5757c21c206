// GpuPrecision on convolutions of all kinds, for precision-probe.test.ts: computed on the host as simply as can be, in
// float32 and with factors rounded to fewer bits. Ends with 1 and says what was judged wrongly; else says how many there
// were, and how many without a probe.
#include "../addon/gpu_precision_gpu.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>
#include <set>
#include <string>

namespace {

using hayate::Convolution;
using hayate::Product;

// With as many bits behind the point.
float Rounded(float number, int bits) {
  if (number == 0) return 0;
  const float unit = std::ldexp(1.0f, std::ilogb(number) - bits);
  return std::nearbyint(number / unit) * unit;
}

// The product; its sums are added to what is there.
void Convolve(const Convolution& c, const hayate::ConvolutionTensors& tensors, int bits) {
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
                float& x = tensors.image[at(n, iy, ix, i, c.in_height, c.in_width, c.in_channels)];
                float& w = tensors.filter[at(o, fy, fx, i, c.filter_height, c.filter_width, c.in_channels)];
                float& y = tensors.upstream[at(n, oy, ox, o, c.out_height, c.out_width, c.out_channels)];
                switch (c.product) {
                  case Product::kForward: add(y, x, w); break;
                  case Product::kInputGradient: add(x, y, w); break;
                  case Product::kFilterGradient: add(w, x, y); break;
                }
              }
          }
}

hayate::cuda::Driver HostAsGpu() {
  namespace cuda = hayate::cuda;
  cuda::Driver d{};
  d.fill = [](cuda::Pointer to, unsigned word, size_t count, cuda::Stream) {
    for (size_t at = 0; at < count; at++) reinterpret_cast<unsigned*>(to)[at] = word;
    return 0;
  };
  d.to_host = [](void* to, cuda::Pointer from, size_t bytes, cuda::Stream) {
    std::memcpy(to, reinterpret_cast<void*>(from), bytes);
    return 0;
  };
  d.stream_synchronize = [](cuda::Stream) { return 0; };
  return d;
}

const hayate::cuda::Driver driver = HostAsGpu();
std::set<void*> held;

// What is said of an algorithm that rounds to as many bits behind the point, where `most` tensors have room; `runs` says
// how often it ran. One of 0 bits cannot be run.
bool IsKept(const Convolution& c, int bits, size_t most, int* runs) {
  const hayate::Workspaces workspaces{
      [most](size_t bytes) { return held.size() == most ? nullptr : *held.insert(std::malloc(bytes)).first; },
      [](void* memory) {
        held.erase(memory);
        std::free(memory);
      }};
  hayate::GpuPrecision precision(c, driver, nullptr, workspaces);
  return precision.IsKept([&](const hayate::ConvolutionTensors& tensors) {
    *runs += 1;
    if (bits > 0) Convolve(c, tensors, bits);
    return bits > 0;
  });
}

Convolution Random(std::mt19937& random) {
  const auto upto = [&random](int64_t most) { return static_cast<int64_t>(random() % most) + 1; };
  Convolution c{};
  c.product = static_cast<Product>(random() % 3), c.channels_first = random() % 2;
  c.batch = upto(2), c.in_channels = upto(3), c.out_channels = upto(3), c.in_height = upto(7), c.in_width = upto(7);
  c.filter_height = upto(5), c.filter_width = upto(5), c.stride_height = upto(3), c.stride_width = upto(3);
  c.dilation_height = upto(2), c.dilation_width = upto(2);
  c.top = upto(5) - 1, c.bottom = upto(5) - 1, c.left = upto(5) - 1, c.right = upto(5) - 1;
  const auto out = [](int64_t in, int64_t around, int64_t taps, int64_t dilation, int64_t stride) {
    return std::max<int64_t>(0, in + around - (taps - 1) * dilation - 1 + stride) / stride;
  };
  c.out_height = out(c.in_height, c.top + c.bottom, c.filter_height, c.dilation_height, c.stride_height);
  c.out_width = out(c.in_width, c.left + c.right, c.filter_width, c.dilation_width, c.stride_width);
  return c.out_height > 0 && c.out_width > 0 ? c : Random(random);
}

}  // namespace

int main(int, char** arguments) {
  std::mt19937 random(std::stoul(arguments[1]));
  const int count = 3000;
  int without = 0;
  for (int at = 0; at < count; at++) {
    const Convolution c = Random(random);
    const bool has_probe = hayate::ProbeOf(c).has_value();
    without += has_probe ? 0 : 1;
    for (const int bits : {23, 10, 7, 0}) {
      int runs = 0;
      if (IsKept(c, bits, 3, &runs) != (!has_probe || bits == 23) || runs != (has_probe ? 1 : 0)) {
        return std::cerr << "product " << static_cast<int64_t>(c.product) << " with " << bits << " bits is misjudged\n", 1;
      }
      if (!IsKept(c, bits, random() % 3, &runs) || runs != (has_probe ? 1 : 0)) {
        return std::cerr << "without memory something was tried\n", 1;
      }
      if (!held.empty()) return std::cerr << "memory is kept\n", 1;
    }
  }
  for (const float off : {1e-6f, -1e-6f}) {
    if (!hayate::IsFloat32(hayate::kProbed * (1 + off))) return std::cerr << "Winograd's sums are refused\n", 1;
  }
  std::cout << count << ' ' << without << '\n';
  return 0;
}
