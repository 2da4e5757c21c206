// The inner loops of convolutions, for one instruction set: HAYATE_TARGET names it, kLanes is how many numbers its
// registers hold. Included once for each, so without a guard.

typedef float Lanes __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
typedef double PairLanes __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

// A number in all lanes, or two numbers that follow each other in turn.
template <bool kPairs>
HAYATE_TARGET inline __attribute__((always_inline)) Lanes Spread(const float* x) {
  if (!kPairs) return *x - (Lanes){};
  double both;
  std::memcpy(&both, x, sizeof(both));
  return (Lanes)(both - (PairLanes){});
}

// Sums of `kTogether` neighbouring pixels: of numbers of their windows times weights.
template <bool kPairs>
HAYATE_TARGET inline __attribute__((always_inline)) void Correlate(const Margined& m, const float* x,
                                                                   const float* weights, Lanes* sums) {
  Lanes acc[kTogether] = {};
  for (int64_t row = 0; row < m.rows; row++, x += m.row_step) {
    for (int64_t tap = 0; tap < m.taps; tap += kPairs ? 2 : 1, weights += kLanes) {
      const Lanes weight = *reinterpret_cast<const Lanes*>(weights);
      for (int p = 0; p < kTogether; p++) acc[p] += Spread<kPairs>(x + p * m.step + tap) * weight;
    }
  }
  for (int p = 0; p < kTogether; p++) sums[p] = acc[p];
}

// Sums over pairs of lanes: first those of `a`, then those of `b`.
HAYATE_TARGET inline __attribute__((always_inline)) Lanes JoinPairs(Lanes a, Lanes b) {
  typedef int32_t Places __attribute__((vector_size(4 * kLanes)));
  Places even;
  for (int i = 0; i < kLanes; i++) even[i] = 2 * i;
  return __builtin_shuffle(a, b, even) + __builtin_shuffle(a, b, even + 1);
}

// One picture's results: sums, `bias` added, nothing below `lowest`.
template <bool kPairs>
HAYATE_TARGET void ForwardPicture(const Margined& m, const float* picture, const float* weights, const float* bias,
                                  float lowest, float* y) {
  constexpr int kPixels = kPairs ? 2 : 1;
  constexpr int64_t kChannels = kLanes / kPixels;
  for (int64_t first = 0; first < m.out_channels; first += kChannels) {
    const int64_t count = std::min(kChannels, m.out_channels - first);
    Lanes added = {};
    for (int64_t lane = 0; lane < kLanes; lane++) {
      const int64_t c = lane % kChannels;
      added[lane] = c < count ? bias[first + c] : 0;
    }
    for (int64_t oh = 0; oh < m.out_height; oh++) {
      for (int64_t ow = 0; ow < m.out_width; ow += kTogether) {
        Lanes sums[kTogether];
        Correlate<kPairs>(m, picture + oh * m.down_step + ow * m.step, weights, sums);
        // A register holds one pixel's results, with pairs two pixels'.
        for (int p = 0; p < kTogether / kPixels; p++) {
          const Lanes sum = (kPairs ? JoinPairs(sums[2 * p], sums[2 * p + 1]) : sums[p]) + added;
          sums[p] = sum < lowest ? lowest - (Lanes){} : sum;
        }
        float* target = y + (oh * m.out_width + ow) * m.out_channels + first;
        const int64_t pixels = std::min<int64_t>(kTogether, m.out_width - ow);
        if (count == kChannels && pixels % kPixels == 0 && (!kPairs || m.out_channels == kChannels)) {
          for (int64_t p = 0; p < pixels; p += kPixels) {
            *reinterpret_cast<Lanes*>(target + p * m.out_channels) = sums[p / kPixels];
          }
        } else {
          const float* results = reinterpret_cast<const float*>(sums);
          for (int64_t p = 0; p < pixels; p++, target += m.out_channels, results += kChannels) {
            std::copy_n(results, count, target);
          }
        }
      }
    }
    weights += m.rows * m.taps / (kPairs ? 2 : 1) * kLanes;
  }
}

// What GatherPicture does, for rows [row, end) and the register of channels at `first`.
template <bool kPairs>
HAYATE_TARGET inline void GatherBand(const Margined& m, const float* picture, const float* dy, int64_t channels,
                                     int64_t row, int64_t end, int64_t first, float* sums) {
  const int64_t taps = m.rows * m.taps;
  const int64_t width = kPairs ? (m.out_width + 1) / 2 : m.out_width;
  const int64_t step = m.step * (kPairs ? 2 : 1);
  for (int64_t tap = 0; tap < taps; tap += kTapsTogether) {
    const float* places[kTapsTogether];
    for (int t = 0; t < kTapsTogether; t++) {
      const int64_t place = std::min(tap + t, taps - 1);
      places[t] = picture + place / m.taps * m.row_step + place % m.taps;
    }
    Lanes acc[kTapsTogether] = {};
    for (int64_t oh = row; oh < end; oh++) {
      const float* gradients = dy + oh * width * channels + first;
      const int64_t begin = oh * m.down_step;
      for (int64_t at = begin; at < begin + width * step; at += step, gradients += channels) {
        const Lanes gradient = *reinterpret_cast<const Lanes*>(gradients);
        for (int t = 0; t < kTapsTogether; t++) acc[t] += Spread<kPairs>(places[t] + at) * gradient;
      }
    }
    for (int64_t t = 0; t < std::min<int64_t>(kTapsTogether, taps - tap); t++) {
      *reinterpret_cast<Lanes*>(sums + (tap + t) * channels + first) += acc[t];
    }
  }
}

// sums[tap × channels + c] += numbers of all windows at that tap times gradients, of which a pixel has `channels`, as
// many as fill registers; with pairs, two pixels' lie in turn and `channels` counts both.
template <bool kPairs>
HAYATE_TARGET void GatherPicture(const Margined& m, const float* picture, const float* dy, int64_t channels,
                                 float* sums) {
  const int64_t width = kPairs ? (m.out_width + 1) / 2 : m.out_width;
  // So many rows of gradients stay in the nearest cache until all taps are through.
  const int64_t band = std::max<int64_t>(1, kNearNumbers / (width * channels));
  for (int64_t row = 0; row < m.out_height; row += band) {
    const int64_t end = std::min(row + band, m.out_height);
    for (int64_t first = 0; first < channels; first += kLanes) {
      GatherBand<kPairs>(m, picture, dy, channels, row, end, first, sums);
    }
  }
}

const ConvolutionSums kSums = {kLanes, ForwardPicture<false>, ForwardPicture<true>, GatherPicture<false>,
                               GatherPicture<true>};
