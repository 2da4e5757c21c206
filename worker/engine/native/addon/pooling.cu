// The rest of device_kernels.cu too: max pooling with windows of any size, and its gradient, in two passes.

// A number that is none stays, wherever it stands.
__device__ float Larger(float a, float b) {
  const float larger = a > b ? a : b;
  return a != a ? a : larger;
}

// V neighbouring channels a thread.
template <int V>
__device__ void MaxPool(const Window& w, const float* __restrict__ image, float* __restrict__ target) {
  const unsigned parts = w.channels / V, columns = w.out_width, rows = w.out_height;
  const int height = w.in_height, width = w.in_width;
  FOR_EACH(unsigned, i, w.batch * w.out_height * w.out_width * parts) {
    const unsigned part = i % parts, place = i / parts, line = place / columns;
    const int y = (int)(line % rows * w.stride_height - w.top), x = (int)(place % columns * w.stride_width - w.left);
    const int first_row = max(y, 0), last_row = min(y + (int)w.filter_height, height);
    const int first_column = max(x, 0), last_column = min(x + (int)w.filter_width, width);
    const float* const own = image + (int64)(line / rows) * height * width * w.channels + V * part;
    float largest[V], v[V];
    for (int k = 0; k < V; k++) largest[k] = __int_as_float(0xff800000);
    for (int row = first_row; row < last_row; row++) {
      for (int column = first_column; column < last_column; column++) {
        Load<V>(own + ((int64)row * width + column) * w.channels, v);
        for (int k = 0; k < V; k++) largest[k] = Larger(largest[k], v[k]);
      }
    }
    Store<V>(target + V * (int64)i, largest);
  }
}

extern "C" __global__ void max_pool4(Window w, const float* __restrict__ image, float* __restrict__ target) {
  MaxPool<4>(w, image, target);
}
extern "C" __global__ void max_pool1(Window w, const float* __restrict__ image, float* __restrict__ target) {
  MaxPool<1>(w, image, target);
}

// winner[output] = 1 + place in the window, row by row; 0 where nothing is above `floor`
extern "C" __global__ void max_pool_winners(Window w, const float* image, unsigned short* winner, float floor) {
  const unsigned channels = w.channels, columns = w.out_width, rows = w.out_height;
  FOR_EACH(unsigned, i, w.batch * w.out_height * w.out_width * w.channels) {
    const unsigned c = i % channels, place = i / channels;
    const int ow = place % columns, oh = place / columns % rows, n = place / columns / rows;
    const int y = oh * (int)w.stride_height - (int)w.top, x = ow * (int)w.stride_width - (int)w.left;
    float largest = floor;
    unsigned short best = 0;
    for (int kh = 0; kh < (int)w.filter_height; kh++) {
      if (y + kh < 0 || y + kh >= (int)w.in_height) continue;
      for (int kw = 0; kw < (int)w.filter_width; kw++) {
        if (x + kw < 0 || x + kw >= (int)w.in_width) continue;
        const float value = image[(((int64)n * w.in_height + y + kh) * w.in_width + x + kw) * channels + c];
        if (value > largest) {
          largest = value;
          best = (unsigned short)(kh * (int)w.filter_width + kw + 1);
        }
      }
    }
    winner[i] = best;
  }
}

extern "C" __global__ void max_pool_gather(Window w, const unsigned short* winner, const float* dy, float* target) {
  const unsigned channels = w.channels, columns = w.in_width, rows = w.in_height;
  FOR_EACH(unsigned, i, w.batch * w.in_height * w.in_width * w.channels) {
    const unsigned c = i % channels, place = i / channels;
    const int x = place % columns + (int)w.left, y = place / columns % rows + (int)w.top, n = place / columns / rows;
    const int first_oh = y < (int)w.filter_height ? 0 : (y - (int)w.filter_height) / (int)w.stride_height + 1;
    const int first_ow = x < (int)w.filter_width ? 0 : (x - (int)w.filter_width) / (int)w.stride_width + 1;
    const int last_oh = min(y / (int)w.stride_height, (int)w.out_height - 1);
    const int last_ow = min(x / (int)w.stride_width, (int)w.out_width - 1);
    float sum = 0.0f;
    for (int oh = first_oh; oh <= last_oh; oh++) {
      for (int ow = first_ow; ow <= last_ow; ow++) {
        const int64 out = (((int64)n * w.out_height + oh) * w.out_width + ow) * channels + c;
        const int own = (y - oh * (int)w.stride_height) * (int)w.filter_width + x - ow * (int)w.stride_width + 1;
        if (winner[out] == own) sum += dy[out];
      }
    }
    target[i] = sum;
  }
}

// The same two for windows of 3 × 3 every second pixel, four neighbouring channels a thread.

extern "C" __global__ void max_pool_winners_3_2(Window w, const float* __restrict__ image,
                                                unsigned short* __restrict__ winner, float floor) {
  const unsigned quarters = w.channels / 4, columns = w.out_width, rows = w.out_height;
  const int height = w.in_height, width = w.in_width;
  FOR_EACH(unsigned, i, w.batch * w.out_height * w.out_width * quarters) {
    const unsigned quarter = i % quarters, place = i / quarters, line = place / columns;
    const int y = 2 * (int)(line % rows) - (int)w.top, x = 2 * (int)(place % columns) - (int)w.left;
    const float* const own = image + (int64)(line / rows) * height * width * w.channels + 4 * quarter;
    float largest[4] = {floor, floor, floor, floor};
    unsigned short best[4] = {};
#pragma unroll
    for (int kh = 0; kh < 3; kh++) {
#pragma unroll
      for (int kw = 0; kw < 3; kw++) {
        if (y + kh < 0 || y + kh >= height || x + kw < 0 || x + kw >= width) continue;
        float v[4];
        Load<4>(own + ((y + kh) * width + x + kw) * (int)w.channels, v);
        for (int k = 0; k < 4; k++) {
          if (v[k] > largest[k]) {
            largest[k] = v[k];
            best[k] = (unsigned short)(3 * kh + kw + 1);
          }
        }
      }
    }
    *(ushort4*)(winner + 4 * (int64)i) = make_ushort4(best[0], best[1], best[2], best[3]);
  }
}

extern "C" __global__ void max_pool_gather_3_2(Window w, const unsigned short* __restrict__ winner,
                                               const float* __restrict__ dy, float* __restrict__ target) {
  const unsigned quarters = w.channels / 4, columns = w.in_width, rows = w.in_height;
  const int out_height = w.out_height, out_width = w.out_width;
  FOR_EACH(unsigned, i, w.batch * w.in_height * w.in_width * quarters) {
    const unsigned quarter = i % quarters, place = i / quarters, line = place / columns;
    const int y = (int)(line % rows) + (int)w.top, x = (int)(place % columns) + (int)w.left;
    const int first_oh = max(0, (y - 1) >> 1), last_oh = min(y >> 1, out_height - 1);
    const int first_ow = max(0, (x - 1) >> 1), last_ow = min(x >> 1, out_width - 1);
    const int64 image = (int64)(line / rows) * out_height * out_width;
    float sum[4] = {};
    for (int oh = first_oh; oh <= last_oh; oh++) {
      for (int ow = first_ow; ow <= last_ow; ow++) {
        const int64 out = (image + oh * out_width + ow) * w.channels + 4 * quarter;
        const ushort4 chosen = *(const ushort4*)(winner + out);
        const int own = (y - 2 * oh) * 3 + x - 2 * ow + 1;
        float d[4];
        Load<4>(dy + out, d);
        if (chosen.x == own) sum[0] += d[0];
        if (chosen.y == own) sum[1] += d[1];
        if (chosen.z == own) sum[2] += d[2];
        if (chosen.w == own) sum[3] += d[3];
      }
    }
    Store<4>(target + 4 * (int64)i, sum);
  }
}
