// The rest of device_kernels.cu too: cross entropy of softmax, a block of 256 threads a row. The same bits in every run.

// `own` of all threads of a block combined, for each of them.
template <typename Combine>
__device__ float OfBlock(float own, Combine combine) {
  __shared__ float warps[8];
  for (int away = 16; away > 0; away /= 2) own = combine(own, __shfl_xor_sync(0xffffffffu, own, away));
  __syncthreads();  // who came from an earlier call has read
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = own;
  __syncthreads();
  own = warps[0];
  for (int warp = 1; warp < 8; warp++) own = combine(own, warps[warp]);
  return own;
}

__device__ float SumOfBlock(float own) {
  return OfBlock(own, [](float a, float b) { return a + b; });
}

// Of a row's exponentials, each divided by the largest.
struct Exponentials {
  float largest, sum;
};

__device__ Exponentials OfRow(const float* logits, int classes) {
  float largest = -3.402823466e38f;
  for (int c = threadIdx.x; c < classes; c += blockDim.x) largest = logits[c] > largest ? logits[c] : largest;
  largest = OfBlock(largest, [](float a, float b) { return a > b ? a : b; });
  float sum = 0.0f;
  for (int c = threadIdx.x; c < classes; c += blockDim.x) sum += expf(logits[c] - largest);
  return {largest, SumOfBlock(sum)};
}

// A label that is no class makes its row's loss and gradient NaN.
extern "C" __global__ void cross_entropy(const float* logits, const int* labels, float* losses, int64 rows, int classes) {
  FOR_PLANES(row, rows) {
    const float* const own = logits + row * classes;
    const Exponentials e = OfRow(own, classes);
    const int label = labels[row];
    const bool is_class = label >= 0 && label < classes;
    if (threadIdx.x == 0) losses[row] = is_class ? logf(e.sum) - (own[label] - e.largest) : __int_as_float(0x7fffffff);
  }
}

// One block.
extern "C" __global__ void mean(const float* values, float* target, int64 count) {
  float sum = 0.0f;
  for (int64 i = threadIdx.x; i < count; i += blockDim.x) sum += values[i];
  sum = SumOfBlock(sum);
  if (threadIdx.x == 0) *target = sum / (float)count;
}

// dy is the gradient of the mean.
extern "C" __global__ void cross_entropy_grad(const float* dy, const float* logits, const int* labels, float* target,
                                              int64 rows, int classes) {
  const float scale = *dy / (float)rows;
  FOR_PLANES(row, rows) {
    const float* const own = logits + row * classes;
    const Exponentials e = OfRow(own, classes);
    const int label = labels[row];
    const bool is_class = label >= 0 && label < classes;
    for (int c = threadIdx.x; c < classes; c += blockDim.x) {
      const float wrong = expf(own[c] - e.largest) / e.sum - (c == label ? 1.0f : 0.0f);
      target[row * classes + c] = is_class ? wrong * scale : __int_as_float(0x7fffffff);
    }
  }
}
