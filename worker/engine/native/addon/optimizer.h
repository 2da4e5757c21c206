// Optimizer steps in place. The arithmetic is that of worker/engine/optimizer.ts, in double precision and in the same
// order, so that all engines and all machines give the same bits.
#pragma once

#include <cstddef>

namespace hayate {

struct Sgd {
  double learningRate;
};

struct Momentum {
  double learningRate, momentum;
  bool nesterov;
};

struct Adam {
  double learningRate, beta1, beta2, epsilon;
  // 1 / (1 − beta^step).
  double firstCorrection, secondCorrection;
};

// All return false when `sum` × `scale` holds a NaN or an infinity.
bool Update(const Sgd& settings, float* variable, const float* sum, double scale, size_t length);
bool Update(const Momentum& settings, float* variable, float* velocity, const float* sum, double scale, size_t length);
bool Update(const Adam& settings, float* variable, float* first, float* second, const float* sum, double scale,
            size_t length);

// variable = sum × scale
bool Average(float* variable, const float* sum, double scale, size_t length);

}  // namespace hayate
