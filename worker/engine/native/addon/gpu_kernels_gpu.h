// The kernels of device_kernels.cu, started on one stream.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "cuda_driver_gpu.h"
#include "device.h"

namespace hayate {

// Elements that one block of threads works on where a kernel works on many pieces of memory at once.
inline constexpr size_t kBlockElements = 4096;
inline unsigned BlocksFor(size_t elements) {
  return static_cast<unsigned>((elements + kBlockElements - 1) / kBlockElements);
}

// Updates of several variables, as the kernels take them: at most 4 KiB, which all drivers pass on.
struct UpdateBatch {
  static constexpr int kEntries = 80;
  struct Entry {
    float *variable, *first, *second;
    const float* sum;
    // Elements, and the first of the blocks that update them.
    unsigned length, block;
    int tag;
  };
  Entry entries[kEntries];
  double scale;
  double numbers[6];
  int* bad;
  int count;
};
static_assert(sizeof(UpdateBatch) <= 4096);

// Copies of floats between memory of the GPU and memory of the host, by its addresses on the GPU.
struct SendBatch {
  static constexpr int kEntries = 160;
  struct Entry {
    const float* from;
    float* to;
    unsigned length, block;
  };
  Entry entries[kEntries];
  int count;
};
static_assert(sizeof(SendBatch) <= 4096);

class GpuKernels {
 public:
  // Compiles for `device`, whose context is current.
  GpuKernels(cuda::Device device, cuda::Stream stream);
  ~GpuKernels();
  GpuKernels(const GpuKernels&) = delete;

  void Update(const char* kernel, const UpdateBatch& batch, unsigned blocks);
  // On another stream.
  void Send(const SendBatch& batch, unsigned blocks, cuda::Stream stream);

  // As Device::Apply.
  void Apply(Elementwise op, const float* a, const float* b, bool is_scalar, float* target, int64_t length);
  void AddBias(float* values, const float* bias, int64_t outer, int64_t channels, int64_t inner, bool relu);
  void PlaneSums(const float* values, float* sums, int64_t outer, int64_t channels, int64_t inner);
  void ColumnSums(const float* values, float* sums, int64_t rows, int64_t channels);
  // Copies the image into a larger one with zeros around it, as the convolution's window reaches.
  void Pad(const Convolution& convolution, const float* image, float* padded);

  void MaxPool(const Window& window, const float* image, float* target);
  // Bytes of `winners` that MaxPoolGrad needs.
  static size_t WinnerBytes(const Window& window);
  void MaxPoolGrad(const Window& window, const float* image, const float* dy, float* target, float floor,
                   void* winners);

  // As Device::CrossEntropy and its gradient.
  void CrossEntropy(const float* logits, const int32_t* labels, int64_t rows, int64_t classes, float* loss);
  void CrossEntropyGrad(const float* dy, const float* logits, const int32_t* labels, int64_t rows, int64_t classes,
                        float* target);

  void ReluGrad(const float* dy, const float* more, const float* y, float* target, int64_t length);
  void BatchNorm(const Normalisation& norm, double momentum, const std::vector<float*>& in,
                 const std::vector<float*>& out);
  void BatchNormGrad(const Normalisation& norm, const std::vector<float*>& in, const std::vector<float*>& out);
  void Uniform(float* target, int64_t length, uint32_t first, uint32_t second, double min, double width);

 private:
  struct Grid {
    unsigned x, y;
    unsigned threads_x, threads_y;
    unsigned shared_bytes;
  };

  // One block a plane or row, or a few.
  Grid OverPlanes(int64_t planes) const;
  // One thread an element, or a few.
  Grid Linear(int64_t elements) const;
  Grid OverRows(const Normalisation& norm, int width) const;
  void Launch(const char* name, const Grid& grid, std::vector<void*> arguments) {
    Launch(name, grid, std::move(arguments), stream_);
  }
  void Launch(const char* name, const Grid& grid, std::vector<void*> arguments, cuda::Stream stream);
  float* Partial(size_t floats);

  const cuda::Driver& driver_;
  const cuda::Stream stream_;
  cuda::Module module_ = nullptr;
  std::unordered_map<std::string, cuda::Function> functions_;
  int processors_ = 1;
  cuda::Pointer partial_ = 0;
  size_t partial_floats_ = 0;
};

}  // namespace hayate
