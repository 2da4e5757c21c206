// The rest of device_kernels.cu too: kernels on values[outer][channels][inner], planes of `inner` numbers, and gradients of ReLU.

// A block a plane.
#define FOR_PLANES(plane, planes) for (int64 plane = blockIdx.x; plane < planes; plane += gridDim.x)

extern "C" __global__ void add_bias_planes(float* __restrict__ values, const float* __restrict__ bias, int64 planes,
                                           int channels, int inner, int relu) {
  FOR_PLANES(plane, planes) {
    const float b = bias[plane % channels];
    float* const own = values + plane * inner;
    if (inner % 4 != 0) {
      for (int i = threadIdx.x; i < inner; i += blockDim.x) own[i] = Biased(own[i], b, relu);
      continue;
    }
    float4* const wide = (float4*)own;
    for (int i = threadIdx.x; i < inner / 4; i += blockDim.x) {
      const float4 v = wide[i];
      wide[i] = make_float4(Biased(v.x, b, relu), Biased(v.y, b, relu), Biased(v.z, b, relu), Biased(v.w, b, relu));
    }
  }
}

// Sum over the threads of a block of 256; valid in thread 0.
__device__ float BlockSum(float sum) {
  __shared__ float sums[8];
  for (int away = 16; away > 0; away /= 2) sum += __shfl_down_sync(0xffffffffu, sum, away);
  __syncthreads();
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int warp = 1; warp < blockDim.x / 32; warp++) sum += sums[warp];
  }
  return sum;
}

extern "C" __global__ void plane_sums(const float* __restrict__ values, float* partial, int64 planes, int inner) {
  FOR_PLANES(plane, planes) {
    const float* const own = values + plane * inner;
    float sum = 0;
    if (inner % 4 == 0) {
      const float4* const wide = (const float4*)own;
      for (int i = threadIdx.x; i < inner / 4; i += blockDim.x) {
        const float4 v = wide[i];
        sum += (v.x + v.y) + (v.z + v.w);
      }
    } else {
      for (int i = threadIdx.x; i < inner; i += blockDim.x) sum += own[i];
    }
    sum = BlockSum(sum);
    if (threadIdx.x == 0) partial[plane] = sum;
  }
}

// sums[channel] over partial[outer][channels]
extern "C" __global__ void plane_totals(const float* partial, float* sums, int64 outer, int channels) {
  FOR_EACH(int64, channel, channels) {
    double sum = 0;
    for (int64 at = 0; at < outer; at++) sum += partial[at * channels + channel];
    sums[channel] = (float)sum;
  }
}

// partial[chunks][channels]: sums over `chunk` rows of values[rows][channels] each, one after the other
extern "C" __global__ void column_sums(const float* __restrict__ values, float* __restrict__ partial, int64 rows,
                                       int channels, int64 chunk) {
  FOR_EACH(int64, at, (rows + chunk - 1) / chunk * channels) {
    const int64 first = at / channels * chunk;
    const int64 last = first + chunk < rows ? first + chunk : rows;
    const float* own = values + first * channels + at % channels;
    float sum = 0;
    for (int64 row = first; row < last; row++, own += channels) sum += *own;
    partial[at] = sum;
  }
}

// Copies planes of `rows` rows of `width` numbers into larger ones, zeros around them. A block a row of the target.
extern "C" __global__ void pad_rows(const float* __restrict__ source, float* __restrict__ target, int64 planes, int rows,
                                    int width, int padded_rows, int padded_width, int top, int left) {
  FOR_PLANES(line, planes * padded_rows) {
    const int64 plane = line / padded_rows;
    const int row = (int)(line % padded_rows) - top;
    const float* const from = source + (plane * rows + row) * width;
    float* const to = target + line * padded_width;
    const bool inside = row >= 0 && row < rows;
    for (int i = threadIdx.x; i < padded_width; i += blockDim.x) {
      const int column = i - left;
      to[i] = inside && column >= 0 && column < width ? from[column] : 0.0f;
    }
  }
}

// target = dy, or dy + more, where y is above 0
extern "C" __global__ void relu_grad(const float* __restrict__ dy, const float* __restrict__ more,
                                     const float* __restrict__ y, float* __restrict__ target, int64 length) {
  FOR_EACH(int64, at, (length + 3) / 4) {
    float d[4] = {}, m[4] = {}, v[4] = {};
    const int64 i = 4 * at;
    if (i + 4 <= length) {
      Load<4>(dy + i, d);
      Load<4>(y + i, v);
      if (more != nullptr) Load<4>(more + i, m);
      for (int k = 0; k < 4; k++) d[k] = v[k] > 0.0f ? d[k] + m[k] : 0.0f;
      Store<4>(target + i, d);
    } else {
      for (int64 k = i; k < length; k++) target[k] = y[k] > 0.0f ? dy[k] + (more != nullptr ? more[k] : 0.0f) : 0.0f;
    }
  }
}
