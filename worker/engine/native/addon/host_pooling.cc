// Max pooling.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "host_kernels.h"
#include "host_parallel.h"

namespace hayate {
namespace {

// The usual 2 × 2 window with stride 2 on an even image: every element lies in exactly one window.
bool IsQuartering(const Window& w) {
  return w.filter_height == 2 && w.filter_width == 2 && w.stride_height == 2 && w.stride_width == 2 &&
         w.in_height == 2 * w.out_height && w.in_width == 2 * w.out_width;
}

HAYATE_WIDE void QuarterRow(const float* upper, const float* lower, const float* dy, float* upper_target,
                            float* lower_target, int64_t columns, int64_t channels, float floor) {
  for (int64_t column = 0; column < columns; column++) {
    const int64_t left = 2 * column * channels;
    const int64_t right = left + channels;
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; c++) {
      const float x0 = upper[left + c], x1 = upper[right + c], x2 = lower[left + c], x3 = lower[right + c];
      const float gradient = dy[column * channels + c];
      const float above = std::max(x0, x1), below = std::max(x2, x3);
      const bool in_upper = above >= below, any = std::max(above, below) > floor;
      const bool first = x0 >= x1, third = x2 >= x3;
      upper_target[left + c] = any & in_upper & first ? gradient : 0.0f;
      upper_target[right + c] = any & in_upper & !first ? gradient : 0.0f;
      lower_target[left + c] = any & !in_upper & third ? gradient : 0.0f;
      lower_target[right + c] = any & !in_upper & !third ? gradient : 0.0f;
    }
  }
}

HAYATE_WIDE void Larger(const float* values, int32_t place, float* largest, int32_t* best, int64_t channels) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; c++) {
    const bool more = values[c] > largest[c];
    largest[c] = more ? values[c] : largest[c];
    best[c] = more ? place : best[c];
  }
}

void RouteImage(const Window& w, const float* image, const float* dy, float* target, float floor) {
  std::memset(target, 0, sizeof(float) * w.in_height * w.in_width * w.channels);
  std::vector<float> largest(w.channels);
  std::vector<int32_t> best(w.channels);
  for (int64_t oh = 0; oh < w.out_height; oh++) {
    const int64_t first_row = std::max<int64_t>(oh * w.stride_height - w.top, 0);
    const int64_t last_row = std::min(oh * w.stride_height - w.top + w.filter_height, w.in_height);
    for (int64_t ow = 0; ow < w.out_width; ow++, dy += w.channels) {
      const int64_t first_column = std::max<int64_t>(ow * w.stride_width - w.left, 0);
      const int64_t last_column = std::min(ow * w.stride_width - w.left + w.filter_width, w.in_width);
      std::fill(largest.begin(), largest.end(), floor);
      std::fill(best.begin(), best.end(), -1);
      for (int64_t row = first_row; row < last_row; row++) {
        for (int64_t column = first_column; column < last_column; column++) {
          const int64_t place = row * w.in_width + column;
          Larger(image + place * w.channels, static_cast<int32_t>(place), largest.data(), best.data(), w.channels);
        }
      }
      for (int64_t c = 0; c < w.channels; c++) {
        if (best[c] >= 0) target[best[c] * w.channels + c] += dy[c];
      }
    }
  }
}

// A number that is none stays, wherever it stands.
inline float LargerOf(float a, float b) {
  const float larger = a > b ? a : b;
  return a != a ? a : larger;
}

HAYATE_WIDE void LargestOfQuarters(const float* upper, const float* lower, float* target, int64_t columns,
                                   int64_t channels) {
  for (int64_t column = 0; column < columns; column++, upper += 2 * channels, lower += 2 * channels) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; c++) {
      const float above = LargerOf(upper[c], upper[channels + c]), below = LargerOf(lower[c], lower[channels + c]);
      target[column * channels + c] = LargerOf(above, below);
    }
  }
}

HAYATE_WIDE void KeepLarger(const float* values, float* largest, int64_t channels) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; c++) largest[c] = LargerOf(values[c], largest[c]);
}

// One row of the result; `image` is the whole picture.
void LargestInRow(const Window& w, const float* image, float* target, int64_t oh) {
  const int64_t first_row = std::max<int64_t>(oh * w.stride_height - w.top, 0);
  const int64_t last_row = std::min(oh * w.stride_height - w.top + w.filter_height, w.in_height);
  std::fill(target, target + w.out_width * w.channels, -INFINITY);
  for (int64_t row = first_row; row < last_row; row++) {
    for (int64_t ow = 0; ow < w.out_width; ow++) {
      const int64_t first_column = std::max<int64_t>(ow * w.stride_width - w.left, 0);
      const int64_t last_column = std::min(ow * w.stride_width - w.left + w.filter_width, w.in_width);
      for (int64_t column = first_column; column < last_column; column++) {
        KeepLarger(image + (row * w.in_width + column) * w.channels, target + ow * w.channels, w.channels);
      }
    }
  }
}

}  // namespace

void MaxPool(const Window& w, const float* image, float* target, int threads) {
  const int64_t row_in = w.in_width * w.channels, row_out = w.out_width * w.channels;
  const bool quartering = IsQuartering(w);
  const int64_t size = row_out * w.filter_height * w.filter_width;
  Parallel(threads, w.batch * w.out_height, size, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; row++) {
      if (quartering) {
        const float* const upper = image + 2 * row * row_in;
        LargestOfQuarters(upper, upper + row_in, target + row * row_out, w.out_width, w.channels);
      } else {
        const float* const picture = image + row / w.out_height * w.in_height * row_in;
        LargestInRow(w, picture, target + row * row_out, row % w.out_height);
      }
    }
  });
}

void MaxPoolGrad(const Window& w, const float* image, const float* dy, float* target, float floor, int threads) {
  const int64_t row_in = w.in_width * w.channels, row_out = w.out_width * w.channels;
  if (IsQuartering(w)) {
    Parallel(threads, w.batch * w.out_height, 2 * row_in, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; row++) {
        const int64_t upper = 2 * row * row_in, lower = upper + row_in;
        QuarterRow(image + upper, image + lower, dy + row * row_out, target + upper, target + lower, w.out_width,
                   w.channels, floor);
      }
    });
    return;
  }
  const int64_t image_in = w.in_height * row_in, image_out = w.out_height * row_out;
  Parallel(threads, w.batch, image_in, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; n++) {
      RouteImage(w, image + n * image_in, dy + n * image_out, target + n * image_in, floor);
    }
  });
}

}  // namespace hayate
