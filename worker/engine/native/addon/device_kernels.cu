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

// ---- work on many pieces of memory at once, each by as many blocks as it needs

#define BLOCK_ELEMENTS 4096

// The last entry that does not begin in a later block than this.
template <typename Entry>
__device__ __forceinline__ const Entry& OwnEntry(const Entry* entries, int count) {
  int at = 0, end = count;
  while (end - at > 1) {
    const int middle = (at + end) / 2;
    if (entries[middle].block <= blockIdx.x) at = middle;
    else end = middle;
  }
  return entries[at];
}

// As in gpu_kernels_gpu.h.
struct Sending {
  const float* from;
  float* to;
  unsigned length, block;
};

struct Sendings {
  Sending entries[160];
  int count;
};

// One of the two is memory of the host.
extern "C" __global__ void send(const Sendings all) {
  const Sending sending = OwnEntry(all.entries, all.count);
  const unsigned start = (blockIdx.x - sending.block) * BLOCK_ELEMENTS;
  const unsigned stop = min(start + BLOCK_ELEMENTS, sending.length);
  for (unsigned i = start + threadIdx.x; i < stop; i += blockDim.x) sending.to[i] = sending.from[i];
}

// ---- optimizers: many variables at once. `bad` is a word of the host's memory that gets the tag of a variable whose
// gradient is not finite. The two structs are as in gpu_kernels_gpu.h.

struct Update {
  float *variable, *first, *second;
  const float* sum;
  unsigned length, block;
  int tag;
};

struct Updates {
  Update entries[80];
  double scale;
  double numbers[6];
  int* bad;
  int count;
};

__device__ bool Bad(double gradient) { return !(fabs(gradient) <= 1.7976931348623157e308); }

// `step(update, i, gradient)` for every element i of every variable.
template <typename Step>
__device__ __forceinline__ void ForEachUpdate(const Updates& all, Step step) {
  const Update update = OwnEntry(all.entries, all.count);
  const unsigned start = (blockIdx.x - update.block) * BLOCK_ELEMENTS;
  const unsigned stop = min(start + BLOCK_ELEMENTS, update.length);
  bool isBad = false;
  for (unsigned i = start + threadIdx.x; i < stop; i += blockDim.x) {
    const double gradient = update.sum[i] * all.scale;
    isBad |= Bad(gradient);
    step(update, i, gradient);
  }
  if (isBad) *(volatile int*)all.bad = update.tag;
}

// numbers: rate
extern "C" __global__ void update_sgd(const Updates all) {
  const double rate = all.numbers[0];
  ForEachUpdate(all, [=](const Update& u, unsigned i, double gradient) {
    u.variable[i] = (float)(u.variable[i] - rate * gradient);
  });
}

// numbers: rate, momentum, nesterov; first: velocity
extern "C" __global__ void update_momentum(const Updates all) {
  const double rate = all.numbers[0], momentum = all.numbers[1];
  const bool nesterov = all.numbers[2] != 0;
  ForEachUpdate(all, [=](const Update& u, unsigned i, double gradient) {
    const double next = momentum * u.first[i] + gradient;
    u.first[i] = (float)next;
    const double way = nesterov ? gradient + momentum * next : next;
    u.variable[i] = (float)(u.variable[i] - rate * way);
  });
}

// numbers: rate, beta1, beta2, epsilon, corrections of both moments; first, second: the moments
extern "C" __global__ void update_adam(const Updates all) {
  const double rate = all.numbers[0], beta1 = all.numbers[1], beta2 = all.numbers[2], epsilon = all.numbers[3];
  const double firstCorrection = all.numbers[4], secondCorrection = all.numbers[5];
  ForEachUpdate(all, [=](const Update& u, unsigned i, double gradient) {
    const double m = beta1 * u.first[i] + (1 - beta1) * gradient;
    const double v = beta2 * u.second[i] + (1 - beta2) * gradient * gradient;
    u.first[i] = (float)m;
    u.second[i] = (float)v;
    const double change = (m * firstCorrection) / (sqrt(v * secondCorrection) + epsilon);
    u.variable[i] = (float)(u.variable[i] - rate * change);
  });
}

// variable = sum × scale
extern "C" __global__ void average(const Updates all) {
  ForEachUpdate(all, [=](const Update& u, unsigned i, double mean) { u.variable[i] = (float)mean; });
}

// ---- each element by itself; the numbers of the ops are as in device.h

extern "C" __global__ void elementwise(int op, const float* a, const float* b, int scalar, float* target, int64 length) {
  FOR_EACH(int64, i, length) {
    const float x = a[i], y = b == nullptr ? 0.0f : b[scalar ? 0 : i];
    target[i] = op == 0 ? x + y : op == 1 ? x * y : op == 2 ? x / y : op == 3 ? floorf(x) : x < 0.0f ? 0.0f : x;
  }
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
