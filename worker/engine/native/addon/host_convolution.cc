// Convolutions of small pictures with few channels, a picture at a time: it is copied into a margin of zeros that stays
// in the nearest cache, and sums of neighbouring pixels, whose lanes are channels of the result, stay in registers.
#include <cmath>
#include <cstring>
#include <vector>

#include "host_kernels.h"
#include "host_parallel.h"

// Products and sums in one rounding where the machine can; TensorFlow's convolutions do so too.
#pragma GCC optimize("fp-contract=fast")

namespace hayate {
namespace {

// Sums that are in registers at once: as many as hide the time that one takes.
constexpr int kTogether = 8;
// The same in the filter's gradient: what divides the taps of the usual filters, 3 × 3 and 5 × 5, with little left.
constexpr int kTapsTogether = 9;

// Numbers that leave room for others in the nearest cache.
constexpr int64_t kNearNumbers = 1 << 12;

// Windows over a picture with its margin; steps are counted in numbers.
struct Margined {
  int64_t out_height, out_width, out_channels;
  // Rows of a window, and numbers in each of them.
  int64_t rows, taps;
  // From a window to the next, from a row to the next, and from a row of windows to the next.
  int64_t step, row_step, down_step;
};

// The functions of host_convolution_sums.h.
struct ConvolutionSums {
  int64_t lanes;
  void (*forward)(const Margined&, const float*, const float*, const float*, float, float*);
  void (*forward_pairs)(const Margined&, const float*, const float*, const float*, float, float*);
  void (*gather)(const Margined&, const float*, const float*, int64_t, float*);
  void (*gather_pairs)(const Margined&, const float*, const float*, int64_t, float*);
};

namespace avx512 {
constexpr int64_t kLanes = 16;
#define HAYATE_TARGET __attribute__((target("avx512f,fma,prefer-vector-width=512")))
#include "host_convolution_sums.h"
#undef HAYATE_TARGET
}  // namespace avx512

namespace avx2 {
constexpr int64_t kLanes = 8;
#define HAYATE_TARGET __attribute__((target("avx2,fma")))
#include "host_convolution_sums.h"
#undef HAYATE_TARGET
}  // namespace avx2

namespace any {
constexpr int64_t kLanes = 4;
#define HAYATE_TARGET
#include "host_convolution_sums.h"
#undef HAYATE_TARGET
}  // namespace any

const ConvolutionSums& Sums() {
  static const bool fused = __builtin_cpu_supports("fma");
  static const ConvolutionSums& best = fused && __builtin_cpu_supports("avx512f") ? avx512::kSums
                                       : fused && __builtin_cpu_supports("avx2")  ? avx2::kSums
                                                                                  : any::kSums;
  return best;
}

int64_t RoundedUp(int64_t number, int64_t multiple) { return (number + multiple - 1) / multiple * multiple; }

// A picture's place in a margin of zeros, in which all windows lie, also those that a last group of pixels computes
// for nothing.
class Margin {
 public:
  Margin(const Window& w, int64_t out_channels) : w_(w) {
    const int64_t columns = (RoundedUp(w.out_width, kTogether) - 1) * w.stride_width + w.filter_width;
    const int64_t row_step = columns * w.channels;
    rows_ = (w.out_height - 1) * w.stride_height + w.filter_height;
    const int64_t taps = w.filter_width * w.channels, step = w.stride_width * w.channels;
    const int64_t down_step = w.stride_height * row_step;
    windows_ = {w.out_height, w.out_width, out_channels, w.filter_height, taps, step, row_step, down_step};
    copied_rows_ = std::max<int64_t>(0, std::min(w.in_height, rows_ - w.top));
    copied_columns_ = std::max<int64_t>(0, std::min(w.in_width, columns - w.left));
  }

  const Margined& windows() const { return windows_; }
  // One more number, for the last pair.
  std::vector<float> Room() const { return std::vector<float>(rows_ * windows_.row_step + 1); }

  void Place(const float* picture, std::vector<float>* room) const {
    const int64_t length = copied_columns_ * w_.channels;
    for (int64_t row = 0; row < copied_rows_; row++) {
      float* const target = room->data() + (row + w_.top) * windows_.row_step + w_.left * w_.channels;
      std::copy_n(picture + row * w_.in_width * w_.channels, length, target);
    }
  }

 private:
  const Window w_;
  Margined windows_;
  int64_t rows_, copied_rows_, copied_columns_;
};

// Weights in the order of the sums: for a group of channels all taps, for a tap the channels, or, in pairs, a number
// of each of two taps for every channel.
std::vector<float> Packed(const Margined& m, const float* filter, int64_t channels, bool pairs) {
  const int64_t groups = (m.out_channels + channels - 1) / channels;
  const int64_t taps = RoundedUp(m.taps, pairs ? 2 : 1);
  std::vector<float> packed(groups * m.rows * taps * channels);
  for (int64_t row = 0; row < m.rows; row++) {
    for (int64_t tap = 0; tap < m.taps; tap++) {
      for (int64_t c = 0; c < m.out_channels; c++) {
        const int64_t place = (c / channels * m.rows + row) * taps * channels;
        const int64_t lane = c % channels;
        const int64_t at = pairs ? tap / 2 * 2 * channels + 2 * lane + tap % 2 : tap * channels + lane;
        packed[place + at] = filter[(row * m.taps + tap) * m.out_channels + c];
      }
    }
  }
  return packed;
}

// Gradients of one picture, filled up with zeros: to whole registers, in pairs those of two pixels in turn.
void Widen(const Margined& m, const float* dy, int64_t channels, bool pairs, std::vector<float>* wide) {
  const int64_t width = pairs ? (m.out_width + 1) / 2 : m.out_width;
  for (int64_t row = 0; row < m.out_height; row++) {
    for (int64_t column = 0; column < m.out_width; column++, dy += m.out_channels) {
      float* const target = wide->data() + (row * width + (pairs ? column / 2 : column)) * channels;
      if (!pairs) std::copy_n(dy, m.out_channels, target);
      for (int64_t c = 0; pairs && c < m.out_channels; c++) target[2 * c + column % 2] = dy[c];
    }
  }
}

// Work of a picture, in elements of a simple kernel.
int64_t SizeOf(const Margined& m) {
  return m.out_height * m.out_width * std::max<int64_t>(1, m.rows * m.taps * m.out_channels / 32);
}

}  // namespace

void Convolve(const Window& w, int64_t out_channels, const float* x, const float* filter, const float* bias, bool relu,
              float* y, int threads) {
  const ConvolutionSums& sums = Sums();
  const Margin margin(w, out_channels);
  Margined m = margin.windows();
  const bool pairs = out_channels <= sums.lanes / 2;
  const std::vector<float> weights = Packed(m, filter, pairs ? sums.lanes / 2 : sums.lanes, pairs);
  if (pairs) m.taps = RoundedUp(m.taps, 2);
  std::vector<float> added(out_channels);
  if (bias != nullptr) std::copy_n(bias, out_channels, added.data());
  const float lowest = relu ? 0.0f : -INFINITY;
  Parallel(threads, w.batch, SizeOf(m), [&](int64_t first, int64_t last) {
    std::vector<float> room = margin.Room();
    for (int64_t n = first; n < last; n++) {
      margin.Place(x + n * w.in_height * w.in_width * w.channels, &room);
      float* const target = y + n * w.out_height * w.out_width * out_channels;
      (pairs ? sums.forward_pairs : sums.forward)(m, room.data(), weights.data(), added.data(), lowest, target);
    }
  });
}

void ConvolveInputGrad(const Window& w, int64_t out_channels, const float* dy, const float* filter, float* dx,
                       int threads) {
  const int64_t taps = w.filter_height * w.filter_width;
  std::vector<float> turned(taps * w.channels * out_channels);
  for (int64_t tap = 0; tap < taps; tap++) {
    for (int64_t c = 0; c < w.channels; c++) {
      for (int64_t k = 0; k < out_channels; k++) {
        const float weight = filter[(tap * w.channels + c) * out_channels + k];
        turned[((taps - 1 - tap) * out_channels + k) * w.channels + c] = weight;
      }
    }
  }
  Window back = w;
  std::swap(back.in_height, back.out_height);
  std::swap(back.in_width, back.out_width);
  back.channels = out_channels;
  back.top = w.filter_height - 1 - w.top;
  back.left = w.filter_width - 1 - w.left;
  Convolve(back, w.channels, dy, turned.data(), nullptr, false, dx, threads);
}

void ConvolveFilterGrad(const Window& w, int64_t out_channels, const float* x, const float* dy, float* target,
                        int threads) {
  const ConvolutionSums& sums = Sums();
  const Margin margin(w, out_channels);
  const Margined& m = margin.windows();
  // Two pixels' numbers lie side by side only where a pixel has one.
  const bool pairs = out_channels <= sums.lanes / 2 && m.step == 1;
  const int64_t channels = pairs ? sums.lanes : RoundedUp(out_channels, sums.lanes);
  const int64_t taps = m.rows * m.taps;
  // The pieces do not depend on the threads, so nor does the sum.
  const int64_t pictures = (w.batch + 15) / 16;
  const int64_t pieces = (w.batch + pictures - 1) / pictures;
  std::vector<float> gathered(pieces * taps * channels);
  Parallel(threads, pieces, pictures * SizeOf(m), [&](int64_t first, int64_t last) {
    std::vector<float> room = margin.Room();
    std::vector<float> wide(m.out_height * (m.out_width + 1) * channels);
    for (int64_t n = first * pictures; n < std::min(last * pictures, w.batch); n++) {
      margin.Place(x + n * w.in_height * w.in_width * w.channels, &room);
      const float* gradients = dy + n * w.out_height * w.out_width * out_channels;
      if (channels != out_channels) {
        Widen(m, gradients, channels, pairs, &wide);
        gradients = wide.data();
      }
      float* const piece = gathered.data() + n / pictures * taps * channels;
      (pairs ? sums.gather_pairs : sums.gather)(m, room.data(), gradients, channels, piece);
    }
  });
  for (int64_t tap = 0; tap < taps; tap++) {
    for (int64_t c = 0; c < out_channels; c++) {
      double sum = 0;
      for (int64_t piece = 0; piece < pieces; piece++) {
        const float* const part = gathered.data() + (piece * taps + tap) * channels;
        sum += pairs ? part[2 * c] + part[2 * c + 1] : part[c];
      }
      target[tap * out_channels + c] = static_cast<float>(sum);
    }
  }
}

}  // namespace hayate
