// The kernels for GPUs on an emulated one, for gpu-kernels.test.ts: each on a few sizes, against the host's kernels where
// there is one of the name, else against sums in double precision. Says of each the worst difference, relative to the
// largest number of the result.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "../addon/gpu_kernels_gpu.h"
#include "../addon/gpu_updates_gpu.h"
#include "../addon/host_kernels.h"
#include "../addon/optimizer.h"
#include "emulated_kernels.h"

namespace hayate::cuda {

Driver Emulated() {
  Driver d{};
  d.device_attribute = [](int* value, int what, Device) { return *value = what == kProcessors ? 3 : 9, 0; };
  d.module_load = [](Module* module, const void*) { return *module = nullptr, 0; };
  d.module_unload = [](Module) { return 0; };
  d.module_function = [](Function* function, Module, const char* name) {
    *function = emulated::KernelNamed(name);
    return *function == nullptr ? 500 : 0;
  };
  d.launch = [](Function function, unsigned x, unsigned y, unsigned, unsigned threads_x, unsigned threads_y, unsigned,
                unsigned shared, Stream, void** arguments, void**) {
    if (shared > sizeof(device::scratch) || threads_x * threads_y > 1024) return 1;
    emulated::Launch({x, y, 1}, {threads_x, threads_y, 1}, emulated::Bound(function, arguments));
    return 0;
  };
  d.memory_allocate = [](Pointer* made, size_t bytes) {
    *made = reinterpret_cast<Pointer>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
    return 0;
  };
  d.memory_free = [](Pointer memory) { return std::free(reinterpret_cast<void*>(memory)), 0; };
  return d;
}


}  // namespace hayate::cuda

namespace {

using hayate::GpuKernels;
using hayate::Window;

// Numbers that begin at a multiple of 64 bytes, as the GPU's do.
struct Floats {
  explicit Floats(int64_t count, float value = 0) : size(count) {
    data = static_cast<float*>(std::aligned_alloc(64, (count * 4 + 64) / 64 * 64));
    std::fill(data, data + count, value);
  }
  Floats(const Floats& other) : Floats(other.size) { std::copy(other.data, other.data + size, data); }
  ~Floats() { std::free(data); }
  float& operator[](int64_t at) const { return data[at]; }
  int64_t size;
  float* data;
};

std::mt19937 random_numbers(7);
Floats Random(int64_t count, float low = -1, float high = 1) {
  Floats made(count);
  std::uniform_real_distribution<float> number(low, high);
  for (int64_t at = 0; at < count; at++) made[at] = number(random_numbers);
  return made;
}

std::map<std::string, double> worst;
template <typename Found, typename Expected>
void Compare(const std::string& name, const Found& found, const Expected& expected, int64_t count) {
  double largest = 1e-30, difference = 0;
  for (int64_t at = 0; at < count; at++) {
    const double a = found[at], b = expected[at];
    if (std::isnan(a) != std::isnan(b)) difference = INFINITY;
    if (std::isnan(a) || std::isnan(b)) continue;
    largest = std::max(largest, std::abs(b));
    difference = std::max(difference, a == b ? 0 : std::abs(a - b));
  }
  worst[name] = std::max(worst[name], difference / largest);
}

void Pooling(GpuKernels& gpu) {
  const Window windows[] = {
      {2, 8, 6, 4, 4, 3, 2, 2, 2, 2, 0, 0},   {3, 7, 9, 8, 3, 4, 3, 3, 2, 2, 0, 0},
      {2, 13, 11, 5, 7, 6, 3, 3, 2, 2, 1, 1}, {1, 5, 5, 3, 5, 5, 3, 2, 1, 1, 1, 0},
      {2, 9, 9, 12, 2, 2, 4, 5, 4, 3, 1, 1},  {40, 6, 6, 1, 3, 3, 2, 2, 2, 2, 0, 0},
  };
  for (const Window& w : windows) {
    const int64_t in = w.batch * w.in_height * w.in_width * w.channels;
    const int64_t out = w.batch * w.out_height * w.out_width * w.channels;
    Floats image = Random(in);
    const Floats dy = Random(out);
    for (int64_t at = 0; at < in; at += 7) image[at] = image[in / 2];  // equals
    const Floats winners(out), gradient(in), expected_gradient(in);
    for (const float floor : {-INFINITY, 0.0f}) {
      gpu.MaxPoolGrad(w, image.data, dy.data, gradient.data, floor, winners.data);
      hayate::MaxPoolGrad(w, image.data, dy.data, expected_gradient.data, floor, 1);
      Compare("MaxPoolGrad", gradient, expected_gradient, in);
    }
    image[in / 3] = NAN;
    const Floats target(out), expected(out);
    gpu.MaxPool(w, image.data, target.data);
    hayate::MaxPool(w, image.data, expected.data, 1);
    Compare("MaxPool", target, expected, out);
  }
}

void Losses(GpuKernels& gpu) {
  for (const auto& [rows, classes] : {std::pair<int64_t, int64_t>{1, 3}, {37, 10}, {300, 7}, {5, 1000}}) {
    const Floats logits = Random(rows * classes, -9, 9), dy(1, 1.75f), loss(1), gradient(rows * classes);
    std::vector<int32_t> labels;
    for (int64_t row = 0; row < rows; row++) labels.push_back(static_cast<int32_t>(random_numbers() % classes));
    const bool has_stranger = rows == 37;
    if (has_stranger) labels[5] = static_cast<int32_t>(classes);
    double mean = 0;
    std::vector<double> expected;
    for (int64_t row = 0; row < rows; row++) {
      double sum = 0;
      for (int64_t c = 0; c < classes; c++) sum += std::exp(static_cast<double>(logits[row * classes + c]));
      const bool is_class = labels[row] < classes;
      mean += is_class ? std::log(sum) - logits[row * classes + labels[row]] : NAN;
      for (int64_t c = 0; c < classes; c++) {
        const double wrong = std::exp(static_cast<double>(logits[row * classes + c])) / sum - (c == labels[row] ? 1 : 0);
        expected.push_back(is_class ? wrong * dy[0] / rows : NAN);
      }
    }
    mean /= rows;
    gpu.CrossEntropy(logits.data, labels.data(), rows, classes, loss.data);
    Compare("CrossEntropy", loss, &mean, 1);
    gpu.CrossEntropyGrad(dy.data, logits.data, labels.data(), rows, classes, gradient.data);
    Compare("CrossEntropyGrad", gradient, expected, rows * classes);
  }
}

void Elements(GpuKernels& gpu) {
  using hayate::Elementwise;
  for (const int64_t length : {1, 5, 1000, 30001}) {
    const Floats a = Random(length, -3, 3), b = Random(length, 1, 2), target(length);
    std::vector<float> expected(length);
    const auto check = [&](Elementwise op, bool is_scalar, const char* name, auto of) {
      gpu.Apply(op, a.data, op == Elementwise::kFloor || op == Elementwise::kRelu ? nullptr : b.data, is_scalar, target.data,
                length);
      for (int64_t at = 0; at < length; at++) expected[at] = of(a[at], b[is_scalar ? 0 : at]);
      Compare(name, target, expected, length);
    };
    for (const bool is_scalar : {false, true}) {
      check(Elementwise::kAdd, is_scalar, "AddV2", [](float x, float y) { return x + y; });
      check(Elementwise::kMultiply, is_scalar, "Mul", [](float x, float y) { return x * y; });
      check(Elementwise::kDivide, is_scalar, "RealDiv", [](float x, float y) { return x / y; });
    }
    check(Elementwise::kFloor, false, "Floor", [](float x, float) { return std::floor(x); });
    check(Elementwise::kRelu, false, "Relu", [](float x, float) { return x < 0 ? 0.0f : x; });
    for (const float* const more : {static_cast<const float*>(nullptr), static_cast<const float*>(b.data)}) {
      gpu.ReluGrad(b.data, more, a.data, target.data, length);
      for (int64_t at = 0; at < length; at++) expected[at] = a[at] > 0 ? b[at] + (more == nullptr ? 0 : more[at]) : 0;
      Compare("ReluGrad", target, expected, length);
    }
  }
}

void Sums(GpuKernels& gpu) {
  for (const auto& [outer, channels, inner] :
       {std::array<int64_t, 3>{9, 5, 1}, {4000, 6, 1}, {1500, 257, 1}, {130, 1, 1}, {3, 7, 12}, {2, 5, 301}, {1, 4, 4}}) {
    const Floats values = Random(outer * channels * inner), sums(channels), bias = Random(channels);
    std::vector<double> expected(channels);
    for (int64_t at = 0; at < values.size; at++) expected[at / inner % channels] += values[at];
    gpu.PlaneSums(values.data, sums.data, outer, channels, inner);
    Compare("PlaneSums", sums, expected, channels);
    for (const bool relu : {false, true}) {
      const Floats biased = values;
      std::vector<float> wanted(values.size);
      for (int64_t at = 0; at < values.size; at++) {
        const float sum = values[at] + bias[at / inner % channels];
        wanted[at] = relu && sum < 0 ? 0 : sum;
      }
      gpu.AddBias(biased.data, bias.data, outer, channels, inner, relu);
      Compare("AddBias", biased, wanted, values.size);
    }
  }
}

void Normalisations(GpuKernels& gpu) {
  for (const auto& [rows, channels] : {std::pair<int64_t, int>{6, 4}, {700, 12}, {33, 5}, {2000, 1}, {50, 260}}) {
    const Floats x = Random(rows * channels, -2, 5), dy = Random(rows * channels), more = Random(rows * channels);
    const Floats gamma = Random(channels, 0.5f, 2), beta = Random(channels), moving = Random(channels),
                 spread = Random(channels, 0, 3);
    const Floats y(x.size), mean(channels), variance(channels), next_mean(channels), next_variance(channels);
    const Floats dx(x.size), dgamma(channels), dbeta(channels);
    for (const bool relu : {false, true}) {
      const hayate::Normalisation norm{rows, channels, 1e-3f, relu};
      const bool adds = relu && channels != 5;
      std::vector<float*> in{x.data, gamma.data, beta.data, moving.data, spread.data};
      if (adds) in.push_back(more.data);
      gpu.BatchNorm(norm, 0.9, in, {y.data, mean.data, variance.data, next_mean.data, next_variance.data});
      gpu.BatchNormGrad(norm, {dy.data, x.data, gamma.data, beta.data, mean.data, variance.data},
                        {dx.data, dgamma.data, dbeta.data});
      std::vector<double> means(channels), variances(channels), g(channels), b(channels), wanted(x.size), wanted_dx(x.size);
      const auto each = [&, rows = rows, channels = channels](auto body) {
        for (int64_t at = 0; at < rows * channels; at++) body(at, at % channels);
      };
      each([&](int64_t at, int64_t c) { means[c] += static_cast<double>(x[at]) / rows; });
      each([&](int64_t at, int64_t c) { variances[c] += (x[at] - means[c]) * (x[at] - means[c]) / rows; });
      const auto hat = [&](int64_t at, int64_t c) { return (x[at] - means[c]) / std::sqrt(variances[c] + 1e-3); };
      each([&](int64_t at, int64_t c) {
        const double value = hat(at, c) * gamma[c] + beta[c] + (adds ? more[at] : 0);
        wanted[at] = relu ? std::max(0.0, value) : value;
      });
      // A number near 0 could pass by one rounding and not by another; of these none does.
      const auto passed = [&](int64_t at, int64_t c) {
        return relu && hat(at, c) * gamma[c] + beta[c] <= 0 ? 0.0 : static_cast<double>(dy[at]);
      };
      each([&](int64_t at, int64_t c) { b[c] += passed(at, c), g[c] += passed(at, c) * hat(at, c); });
      each([&, rows = rows](int64_t at, int64_t c) {
        const double factor = gamma[c] / std::sqrt(variances[c] + 1e-3);
        wanted_dx[at] = factor * (passed(at, c) - b[c] / rows - hat(at, c) * g[c] / rows);
      });
      Compare("BatchNorm", y, wanted, x.size);
      Compare("BatchNorm", mean, means, channels);
      Compare("BatchNorm", variance, variances, channels);
      std::vector<double> next(channels);
      for (int c = 0; c < channels; c++) next[c] = 0.9 * moving[c] + 0.1 * means[c];
      Compare("BatchNorm", next_mean, next, channels);
      for (int c = 0; c < channels; c++) next[c] = 0.9 * spread[c] + 0.1 * variances[c];
      Compare("BatchNorm", next_variance, next, channels);
      Compare("BatchNormGrad", dx, wanted_dx, x.size);
      Compare("BatchNormGrad", dgamma, g, channels);
      Compare("BatchNormGrad", dbeta, b, channels);
    }
  }
}

// Several variables at once, one of them with a gradient that is not finite.
void Updates(GpuKernels& gpu) {
  int bad = 0;
  hayate::GpuUpdates updates(gpu, &bad);
  const int64_t lengths[] = {1, 4096, 10000, 300};
  const auto check = [&](const char* name, const char* kernel, std::array<double, 6> numbers, auto on_host) {
    std::vector<Floats> variables, firsts, seconds, sums;
    for (const int64_t length : lengths) {
      variables.push_back(Random(length));
      firsts.push_back(Random(length));
      seconds.push_back(Random(length, 0, 1));
      sums.push_back(Random(length));
    }
    bad = 0;
    sums[2][77] = INFINITY;
    const std::vector<Floats> on[] = {variables, firsts, seconds};
    for (size_t at = 0; at < 4; at++) {
      updates.Add({kernel, numbers, 0.25, variables[at].data, firsts[at].data, seconds[at].data, sums[at].data,
                   static_cast<size_t>(lengths[at]), static_cast<int>(at) + 1});
    }
    updates.Start();
    if (bad != 3) worst[name] = INFINITY;
    for (size_t at = 0; at < 4; at++) {
      on_host(on[0][at].data, on[1][at].data, on[2][at].data, sums[at].data, lengths[at]);
      Compare(name, variables[at], on[0][at], lengths[at]);
      Compare(name, firsts[at], on[1][at], lengths[at]);
      Compare(name, seconds[at], on[2][at], lengths[at]);
    }
  };
  check("update_sgd", "update_sgd", {0.1}, [](float* v, float*, float*, const float* sum, int64_t length) {
    hayate::Update(hayate::Sgd{0.1}, v, sum, 0.25, length);
  });
  for (const double nesterov : {0.0, 1.0}) {
    check("update_momentum", "update_momentum", {0.1, 0.9, nesterov},
          [nesterov](float* v, float* first, float*, const float* sum, int64_t length) {
            hayate::Update(hayate::Momentum{0.1, 0.9, nesterov != 0}, v, first, sum, 0.25, length);
          });
  }
  check("update_adam", "update_adam", {0.01, 0.9, 0.999, 1e-7, 2, 3},
        [](float* v, float* first, float* second, const float* sum, int64_t length) {
          hayate::Update(hayate::Adam{0.01, 0.9, 0.999, 1e-7, 2, 3}, v, first, second, sum, 0.25, length);
        });
  check("average", "average", {}, [](float* v, float*, float*, const float* sum, int64_t length) {
    hayate::Average(v, sum, 0.25, length);
  });
}

void Copies(GpuKernels& gpu) {
  const Floats from = Random(10001), to(10001);
  hayate::SendBatch batch{};
  batch.entries[batch.count++] = {from.data, to.data, 10001, 0};
  gpu.Send(batch, hayate::BlocksFor(10001), nullptr);
  Compare("send", to, from, 10001);
  const hayate::Convolution c{hayate::Product::kFilterGradient, 0, 2, 5, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1};
  const Floats image = Random(2 * 5 * 4 * 3), padded(2 * 8 * 5 * 3, 9);
  std::vector<float> expected(padded.size);
  for (int n = 0; n < 2; n++) {
    for (int row = 0; row < 5; row++) std::copy_n(&image[(n * 5 + row) * 12], 12, &expected[(n * 8 + row + 1) * 15]);
  }
  gpu.Pad(c, image.data, padded.data);
  Compare("pad_rows", padded, expected, padded.size);
  // As draw.ts.
  const auto mixed = [](uint32_t word) {
    uint32_t hash = (word ^ (word >> 16)) * 0x85ebca6bu;
    hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
    return hash ^ (hash >> 16);
  };
  std::vector<float> drawn(1000);
  for (uint32_t i = 0; i < 1000; i++) drawn[i] = static_cast<float>(-1 + 3 * ((mixed(mixed(i ^ 5u) ^ 6u) >> 8) / 16777216.0));
  gpu.Uniform(to.data, 1000, 5, 6, -1, 3);
  Compare("uniform", to, drawn, 1000);
}

}  // namespace

int main() {
  GpuKernels gpu(0, nullptr);
  for (void (*const check)(GpuKernels&) : {Pooling, Losses, Elements, Sums, Normalisations, Updates, Copies}) check(gpu);
  for (const auto& [name, difference] : worst) std::cout << name << ' ' << difference << '\n';
  std::cout << "started:\n";
  for (const std::string& name : emulated::started) std::cout << name << '\n';
  return 0;
}
