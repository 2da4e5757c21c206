#include "host_kernels.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "host_parallel.h"

namespace hayate {
namespace {

HAYATE_WIDE void AddBiasRows(float* values, const float* bias, int64_t rows, int64_t channels, bool relu) {
  const float lowest = relu ? 0.0f : -INFINITY;
  for (int64_t row = 0; row < rows; row++, values += channels) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; c++) {
      const float sum = values[c] + bias[c];
      values[c] = sum < lowest ? lowest : sum;
    }
  }
}

// Elements of rows that are summed in one piece; the pieces do not depend on the threads, so nor does the sum.
constexpr int64_t kElementsPerPiece = 1 << 14;
// Sums that run beside each other, so that few channels fill registers too.
constexpr int64_t kSumsBeside = 64;

// sums[c] = values[c] + values[channels + c] + …; `beside` has room for kSumsBeside + channels numbers.
HAYATE_WIDE void SumPiece(const float* values, int64_t rows, int64_t channels, float* beside, double* sums) {
  const int64_t together = std::min(rows, std::max<int64_t>(1, kSumsBeside / channels));
  const int64_t width = together * channels;
  std::copy(values, values + width, beside);
  int64_t row = together;
  for (; row + together <= rows; row += together) {
    const float* const next = values + row * channels;
#pragma GCC ivdep
    for (int64_t i = 0; i < width; i++) beside[i] += next[i];
  }
  const int64_t left = (rows - row) * channels;
  for (int64_t i = 0; i < left; i++) beside[i] += values[row * channels + i];
  for (int64_t i = 0; i < width; i++) sums[i % channels] += beside[i];
}

}  // namespace

void AddBias(float* values, const float* bias, int64_t rows, int64_t channels, bool relu, int threads) {
  Parallel(threads, rows, channels, [&](int64_t first, int64_t last) {
    AddBiasRows(values + first * channels, bias, last - first, channels, relu);
  });
}

void SumRows(const float* values, int64_t rows, int64_t channels, float* target, int threads) {
  if (channels == 0) return;
  const int64_t rows_per_piece = std::max<int64_t>(1, kElementsPerPiece / channels);
  const int64_t pieces = (rows + rows_per_piece - 1) / rows_per_piece;
  std::vector<double> sums(pieces * channels);
  Parallel(threads, pieces, rows_per_piece * channels, [&](int64_t first, int64_t last) {
    std::vector<float> beside(kSumsBeside + channels);
    for (int64_t piece = first; piece < last; piece++) {
      const int64_t row = piece * rows_per_piece;
      SumPiece(values + row * channels, std::min(rows_per_piece, rows - row), channels, beside.data(),
               sums.data() + piece * channels);
    }
  });
  for (int64_t piece = 1; piece < pieces; piece++) {
    for (int64_t c = 0; c < channels; c++) sums[c] += sums[piece * channels + c];
  }
  for (int64_t c = 0; c < channels; c++) target[c] = pieces == 0 ? 0.0f : static_cast<float>(sums[c]);
}

}  // namespace hayate
