#include "optimizer.h"

#include <cfloat>
#include <cmath>

namespace hayate {
namespace {

inline int Bad(double gradient) { return !(std::fabs(gradient) <= DBL_MAX); }

}  // namespace

// One version an instruction set: wider registers change the speed, never the result (the addon is compiled without
// contraction of products and sums).
#define HAYATE_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))

HAYATE_WIDE bool Update(const Sgd& settings, float* __restrict variable, const float* __restrict sum, double scale,
                        size_t length) {
  const double rate = settings.learningRate;
  int bad = 0;
  for (size_t i = 0; i < length; i++) {
    const double gradient = sum[i] * scale;
    bad |= Bad(gradient);
    variable[i] = static_cast<float>(variable[i] - rate * gradient);
  }
  return bad == 0;
}

HAYATE_WIDE bool Update(const Momentum& settings, float* __restrict variable, float* __restrict velocity,
                        const float* __restrict sum, double scale, size_t length) {
  const double rate = settings.learningRate;
  const double momentum = settings.momentum;
  int bad = 0;
  if (settings.nesterov) {
    for (size_t i = 0; i < length; i++) {
      const double gradient = sum[i] * scale;
      bad |= Bad(gradient);
      const double next = momentum * velocity[i] + gradient;
      velocity[i] = static_cast<float>(next);
      variable[i] = static_cast<float>(variable[i] - rate * (gradient + momentum * next));
    }
  } else {
    for (size_t i = 0; i < length; i++) {
      const double gradient = sum[i] * scale;
      bad |= Bad(gradient);
      const double next = momentum * velocity[i] + gradient;
      velocity[i] = static_cast<float>(next);
      variable[i] = static_cast<float>(variable[i] - rate * next);
    }
  }
  return bad == 0;
}

HAYATE_WIDE bool Update(const Adam& settings, float* __restrict variable, float* __restrict first,
                        float* __restrict second, const float* __restrict sum, double scale, size_t length) {
  const Adam a = settings;
  int bad = 0;
  for (size_t i = 0; i < length; i++) {
    const double gradient = sum[i] * scale;
    bad |= Bad(gradient);
    const double m = a.beta1 * first[i] + (1 - a.beta1) * gradient;
    const double v = a.beta2 * second[i] + (1 - a.beta2) * gradient * gradient;
    first[i] = static_cast<float>(m);
    second[i] = static_cast<float>(v);
    const double change = (m * a.firstCorrection) / (std::sqrt(v * a.secondCorrection) + a.epsilon);
    variable[i] = static_cast<float>(variable[i] - a.learningRate * change);
  }
  return bad == 0;
}

HAYATE_WIDE bool Average(float* __restrict variable, const float* __restrict sum, double scale, size_t length) {
  int bad = 0;
  for (size_t i = 0; i < length; i++) {
    const double mean = sum[i] * scale;
    bad |= Bad(mean);
    variable[i] = static_cast<float>(mean);
  }
  return bad == 0;
}

}  // namespace hayate
