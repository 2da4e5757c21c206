// The rest of device_kernels.cu, compiled with it.

// ---- batch normalisation over rows of channels; V neighbouring channels a thread

struct Norm {
  int64 rows;
  int channels;
  float epsilon;
  int relu;
};

template <int V>
__device__ void Load(const float* from, float* to) {
  if (V == 4) {
    const float4 v = *(const float4*)from;
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
  } else {
    to[0] = from[0];
  }
}

template <int V>
__device__ void Store(float* to, const float* from) {
  if (V == 4) {
    *(float4*)to = make_float4(from[0], from[1], from[2], from[3]);
  } else {
    to[0] = from[0];
  }
}

// y = x · factor + shift
template <int V>
struct Line {
  float mean[V], inverse[V], factor[V], shift[V];
  __device__ Line(const Norm& n, const float* means, const float* variances, const float* gamma, const float* beta, int c) {
    float variance[V], g[V], b[V];
    Load<V>(means + c, mean);
    Load<V>(variances + c, variance);
    Load<V>(gamma + c, g);
    Load<V>(beta + c, b);
    for (int k = 0; k < V; k++) {
      inverse[k] = 1.0f / sqrtf(variance[k] + n.epsilon);
      factor[k] = g[k] * inverse[k];
      shift[k] = b[k] - mean[k] * factor[k];
    }
  }
};

#define CHANNEL(V) ((blockIdx.x * blockDim.x + threadIdx.x) * V)
#define FOR_ROWS(row, rows) \
  _Pragma("unroll 4") for (int64 row = blockIdx.y * (int64)blockDim.y + threadIdx.y; row < rows; row += gridDim.y * (int64)blockDim.y)

// The last rows first: what the kernel before has read last is still in the cache.
#define FOR_ROWS_BACK(row, rows)                                                                              \
  _Pragma("unroll 4") for (int64 row = rows - 1 - (blockIdx.y * (int64)blockDim.y + threadIdx.y); row >= 0; \
                           row -= gridDim.y * (int64)blockDim.y)

// Adds a[] and b[] over the rows of a block; thread row 0 writes them to partial[blockIdx.y][0 and 1][channel].
template <int V>
__device__ void WriteSums(float* a, float* b, float* partial, int channels, int c) {
  extern __shared__ float scratch[];
  const int lane = threadIdx.x, lanes = blockDim.x;
  for (int half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y >= half && threadIdx.y < 2 * half) {
      for (int k = 0; k < V; k++) {
        scratch[((threadIdx.y - half) * 2 * V + k) * lanes + lane] = a[k];
        scratch[((threadIdx.y - half) * 2 * V + V + k) * lanes + lane] = b[k];
      }
    }
    __syncthreads();
    if (threadIdx.y < half) {
      for (int k = 0; k < V; k++) {
        a[k] += scratch[(threadIdx.y * 2 * V + k) * lanes + lane];
        b[k] += scratch[(threadIdx.y * 2 * V + V + k) * lanes + lane];
      }
    }
  }
  if (threadIdx.y == 0 && c < channels) {
    Store<V>(partial + (int64)blockIdx.y * 2 * channels + c, a);
    Store<V>(partial + ((int64)blockIdx.y * 2 + 1) * channels + c, b);
  }
}

// Sums of x − x₀ and of its square, where x₀ is the channel's first element.
template <int V>
__device__ void Moments(const Norm& n, const float* x, float* partial) {
  const int c = CHANNEL(V);
  float a[V] = {}, b[V] = {};
  if (c < n.channels) {
    float origin[V];
    Load<V>(x + c, origin);
    FOR_ROWS(row, n.rows) {
      float v[V];
      Load<V>(x + row * n.channels + c, v);
      for (int k = 0; k < V; k++) {
        const float d = v[k] - origin[k];
        a[k] += d;
        b[k] += d * d;
      }
    }
  }
  WriteSums<V>(a, b, partial, n.channels, c);
}

extern "C" __global__ void batch_norm_moments4(Norm n, const float* x, float* partial) { Moments<4>(n, x, partial); }
extern "C" __global__ void batch_norm_moments1(Norm n, const float* x, float* partial) { Moments<1>(n, x, partial); }

// Sums of partial[0 … blocks)[half][c] in double precision; the result is valid in thread row 0.
__device__ double Total(const float* partial, int blocks, int channels, int half, int c) {
  __shared__ double sums[16][32];
  double sum = 0;
  if (c < channels) {
    for (int block = threadIdx.y; block < blocks; block += blockDim.y) sum += partial[((int64)block * 2 + half) * channels + c];
  }
  __syncthreads();
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0) {
    for (int y = 1; y < blockDim.y; y++) sum += sums[y][threadIdx.x];
  }
  return sum;
}

// Blocks of 32 × 16 threads, a channel a column.
extern "C" __global__ void batch_norm_statistics(Norm n, const float* partial, int blocks, const float* x, double momentum,
                                                 const float* moving_mean, const float* moving_variance, float* mean,
                                                 float* variance, float* next_mean, float* next_variance) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  const double first = Total(partial, blocks, n.channels, 0, c), second = Total(partial, blocks, n.channels, 1, c);
  if (threadIdx.y != 0 || c >= n.channels) return;
  const double away = first / n.rows, spread = second / n.rows - away * away;
  mean[c] = (float)(x[c] + away);
  variance[c] = spread < 0 ? 0.0f : (float)spread;
  next_mean[c] = (float)(moving_mean[c] - (moving_mean[c] - (double)mean[c]) * (1 - momentum));
  next_variance[c] = (float)(moving_variance[c] - (moving_variance[c] - (double)variance[c]) * (1 - momentum));
}

// y = x · factor + shift, to which `residual` is added where there is one; then its ReLU where wanted.
template <int V>
__device__ void Normalise(const Norm& n, const float* __restrict__ x, const float* mean, const float* variance,
                          const float* gamma, const float* beta, const float* __restrict__ residual,
                          float* __restrict__ y) {
  const int c = CHANNEL(V);
  if (c >= n.channels) return;
  const Line<V> line(n, mean, variance, gamma, beta, c);
  FOR_ROWS_BACK(row, n.rows) {
    float v[V], r[V] = {};
    Load<V>(x + row * n.channels + c, v);
    if (residual != nullptr) Load<V>(residual + row * n.channels + c, r);
    for (int k = 0; k < V; k++) {
      const float value = v[k] * line.factor[k] + line.shift[k] + r[k];
      v[k] = n.relu && value < 0.0f ? 0.0f : value;
    }
    Store<V>(y + row * n.channels + c, v);
  }
}

extern "C" __global__ void batch_norm_apply4(Norm n, const float* __restrict__ x, const float* mean,
                                             const float* variance, const float* gamma, const float* beta,
                                             const float* __restrict__ residual, float* __restrict__ y) {
  Normalise<4>(n, x, mean, variance, gamma, beta, residual, y);
}
extern "C" __global__ void batch_norm_apply1(Norm n, const float* __restrict__ x, const float* mean,
                                             const float* variance, const float* gamma, const float* beta,
                                             const float* __restrict__ residual, float* __restrict__ y) {
  Normalise<1>(n, x, mean, variance, gamma, beta, residual, y);
}

// Sums of dy and of dy · x̂; with `relu`, dy counts only where the result was above 0.
template <int V>
__device__ void GradientSums(const Norm& n, const float* dy, const float* x, const float* mean, const float* variance,
                             const float* gamma, const float* beta, float* partial) {
  const int c = CHANNEL(V);
  float a[V] = {}, b[V] = {};
  if (c < n.channels) {
    const Line<V> line(n, mean, variance, gamma, beta, c);
    FOR_ROWS(row, n.rows) {
      float v[V], d[V];
      Load<V>(x + row * n.channels + c, v);
      Load<V>(dy + row * n.channels + c, d);
      for (int k = 0; k < V; k++) {
        if (n.relu && !(v[k] * line.factor[k] + line.shift[k] > 0.0f)) d[k] = 0.0f;
        a[k] += d[k];
        b[k] += d[k] * ((v[k] - line.mean[k]) * line.inverse[k]);
      }
    }
  }
  WriteSums<V>(a, b, partial, n.channels, c);
}

extern "C" __global__ void batch_norm_grad_sums4(Norm n, const float* dy, const float* x, const float* mean,
                                                 const float* variance, const float* gamma, const float* beta,
                                                 float* partial) {
  GradientSums<4>(n, dy, x, mean, variance, gamma, beta, partial);
}
extern "C" __global__ void batch_norm_grad_sums1(Norm n, const float* dy, const float* x, const float* mean,
                                                 const float* variance, const float* gamma, const float* beta,
                                                 float* partial) {
  GradientSums<1>(n, dy, x, mean, variance, gamma, beta, partial);
}

extern "C" __global__ void batch_norm_grad_totals(Norm n, const float* partial, int blocks, float* dgamma, float* dbeta) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  const double first = Total(partial, blocks, n.channels, 0, c), second = Total(partial, blocks, n.channels, 1, c);
  if (threadIdx.y != 0 || c >= n.channels) return;
  dbeta[c] = (float)first;
  dgamma[c] = (float)second;
}

template <int V>
__device__ void InputGradient(const Norm& n, const float* __restrict__ dy, const float* __restrict__ x,
                              const float* mean, const float* variance, const float* gamma, const float* beta,
                              const float* dgamma, const float* dbeta, float* __restrict__ dx) {
  const int c = CHANNEL(V);
  if (c >= n.channels) return;
  const Line<V> line(n, mean, variance, gamma, beta, c);
  float ofGamma[V], ofBeta[V];
  Load<V>(dgamma + c, ofGamma);
  Load<V>(dbeta + c, ofBeta);
  for (int k = 0; k < V; k++) {
    ofGamma[k] /= n.rows;
    ofBeta[k] /= n.rows;
  }
  FOR_ROWS_BACK(row, n.rows) {
    float v[V], d[V];
    Load<V>(x + row * n.channels + c, v);
    Load<V>(dy + row * n.channels + c, d);
    for (int k = 0; k < V; k++) {
      if (n.relu && !(v[k] * line.factor[k] + line.shift[k] > 0.0f)) d[k] = 0.0f;
      d[k] = line.factor[k] * (d[k] - ofBeta[k] - (v[k] - line.mean[k]) * line.inverse[k] * ofGamma[k]);
    }
    Store<V>(dx + row * n.channels + c, d);
  }
}

extern "C" __global__ void batch_norm_grad4(Norm n, const float* __restrict__ dy, const float* __restrict__ x,
                                            const float* mean, const float* variance, const float* gamma,
                                            const float* beta, const float* dgamma, const float* dbeta,
                                            float* __restrict__ dx) {
  InputGradient<4>(n, dy, x, mean, variance, gamma, beta, dgamma, dbeta, dx);
}
extern "C" __global__ void batch_norm_grad1(Norm n, const float* __restrict__ dy, const float* __restrict__ x,
                                            const float* mean, const float* variance, const float* gamma,
                                            const float* beta, const float* dgamma, const float* dbeta,
                                            float* __restrict__ dx) {
  InputGradient<1>(n, dy, x, mean, variance, gamma, beta, dgamma, dbeta, dx);
}
