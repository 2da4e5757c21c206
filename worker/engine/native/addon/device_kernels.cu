// Kernels on tensors in a GPU's memory. NVRTC compiles them at start for the GPU that is there, without contraction of
// products and sums; gpu_kernels_gpu.cc starts them. Images are NHWC. Where a kernel of host_kernels.cc or optimizer.cc
// has the same name, it does the same arithmetic in the same order, and gives the same bits.

typedef long long int64;

// As in host_kernels.h.
struct Window {
  int64 batch, in_height, in_width, channels, out_height, out_width;
  int64 filter_height, filter_width, stride_height, stride_width, top, left;
};

#define FOR_EACH(Index, i, count) \
  for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < (Index)(count); i += gridDim.x * (Index)blockDim.x)

// ---- optimizers: `bad` is a word of the host's memory that gets `tag` when a gradient is not finite

__device__ void Report(bool isBad, volatile int* bad, int tag) {
  if (isBad) *bad = tag;
}

__device__ bool Bad(double gradient) { return !(fabs(gradient) <= 1.7976931348623157e308); }

extern "C" __global__ void update_sgd(float* variable, const float* sum, double scale, double rate, int* bad, int tag,
                                      int64 length) {
  bool isBad = false;
  FOR_EACH(int64, i, length) {
    const double gradient = sum[i] * scale;
    isBad |= Bad(gradient);
    variable[i] = (float)(variable[i] - rate * gradient);
  }
  Report(isBad, bad, tag);
}

extern "C" __global__ void update_momentum(float* variable, float* velocity, const float* sum, double scale, double rate,
                                           double momentum, int nesterov, int* bad, int tag, int64 length) {
  bool isBad = false;
  FOR_EACH(int64, i, length) {
    const double gradient = sum[i] * scale;
    isBad |= Bad(gradient);
    const double next = momentum * velocity[i] + gradient;
    velocity[i] = (float)next;
    const double way = nesterov ? gradient + momentum * next : next;
    variable[i] = (float)(variable[i] - rate * way);
  }
  Report(isBad, bad, tag);
}

extern "C" __global__ void update_adam(float* variable, float* first, float* second, const float* sum, double scale,
                                       double rate, double beta1, double beta2, double epsilon, double firstCorrection,
                                       double secondCorrection, int* bad, int tag, int64 length) {
  bool isBad = false;
  FOR_EACH(int64, i, length) {
    const double gradient = sum[i] * scale;
    isBad |= Bad(gradient);
    const double m = beta1 * first[i] + (1 - beta1) * gradient;
    const double v = beta2 * second[i] + (1 - beta2) * gradient * gradient;
    first[i] = (float)m;
    second[i] = (float)v;
    const double change = (m * firstCorrection) / (sqrt(v * secondCorrection) + epsilon);
    variable[i] = (float)(variable[i] - rate * change);
  }
  Report(isBad, bad, tag);
}

// target = sum × scale
extern "C" __global__ void average(float* target, const float* sum, double scale, int* bad, int tag, int64 length) {
  bool isBad = false;
  FOR_EACH(int64, i, length) {
    const double mean = sum[i] * scale;
    isBad |= Bad(mean);
    target[i] = (float)mean;
  }
  Report(isBad, bad, tag);
}

// ---- bias, in place

template <typename Index>
__device__ void AddBias(float* values, const float* bias, int64 length, int channels, int relu) {
  FOR_EACH(Index, i, length) {
    const float sum = values[i] + bias[i % (Index)channels];
    values[i] = relu && sum < 0.0f ? 0.0f : sum;
  }
}

__device__ float Biased(float value, float bias, int relu) {
  const float sum = value + bias;
  return relu && sum < 0.0f ? 0.0f : sum;
}

extern "C" __global__ void add_bias(float* values, const float* bias, int64 length, int channels, int relu) {
  if (channels % 4 != 0) {
    AddBias<int64>(values, bias, length, channels, relu);
    return;
  }
  float4* const wide = (float4*)values;
  const float4* const biases = (const float4*)bias;
  const unsigned quarter = channels / 4;
  FOR_EACH(unsigned, i, length / 4) {
    const float4 v = wide[i], b = biases[i % quarter];
    wide[i] = make_float4(Biased(v.x, b.x, relu), Biased(v.y, b.y, relu), Biased(v.z, b.z, relu), Biased(v.w, b.w, relu));
  }
}

// ---- max pooling: gradient to the first largest element of each window, unless that is not above `floor`

extern "C" __global__ void max_pool_grad_quarter(Window w, const float* image, const float* dy, float* target,
                                                 float floor) {
  const unsigned channels = w.channels, columns = w.out_width, row_in = w.in_width * w.channels;
  FOR_EACH(unsigned, i, w.batch * w.out_height * w.out_width * w.channels) {
    const unsigned c = i % channels, place = i / channels, column = place % columns, row = place / columns;
    const int64 upper = 2 * (int64)row * row_in + 2 * column * channels + c, lower = upper + row_in;
    const float x0 = image[upper], x1 = image[upper + channels], x2 = image[lower], x3 = image[lower + channels];
    const float gradient = dy[i];
    const float above = x0 < x1 ? x1 : x0, below = x2 < x3 ? x3 : x2;
    const bool any = (above < below ? below : above) > floor, in_upper = above >= below;
    const bool first = x0 >= x1, third = x2 >= x3;
    target[upper] = any && in_upper && first ? gradient : 0.0f;
    target[upper + channels] = any && in_upper && !first ? gradient : 0.0f;
    target[lower] = any && !in_upper && third ? gradient : 0.0f;
    target[lower + channels] = any && !in_upper && !third ? gradient : 0.0f;
  }
}

// ---- random numbers, as ../../draw.ts

__device__ unsigned Mixed(unsigned word) {
  unsigned hash = (word ^ (word >> 16)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
  return hash ^ (hash >> 16);
}

extern "C" __global__ void uniform(float* target, int64 length, unsigned first, unsigned second, double min,
                                   double width) {
  FOR_EACH(int64, i, length) {
    const unsigned hash = Mixed(Mixed((unsigned)i ^ first) ^ second);
    target[i] = (float)(min + width * ((hash >> 8) / 16777216.0));
  }
}
