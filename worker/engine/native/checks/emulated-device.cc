// An engine for GPUs on a machine without one, for emulate.ts: in place of cuda_driver_gpu.cc and gpu_open_gpu.cc. The GPU is
// an emulated one, its memory the host's, and products are computed by their definition. TensorFlow's ops run on the CPU, at
// once: everything that is under way comes before, which a GPU that waits for the host does not allow. With
// EMULATED_GPU_WAITS=0 in the environment it cannot wait.
#include <sys/mman.h>

#include <cstdlib>
#include <string>

#include "../addon/gpu_device_gpu.h"
#include "emulated_streams.h"

namespace hayate {
namespace cuda {

Driver Emulated() {
  Driver d = emulated::StreamDriver();
  const char* const waits = std::getenv("EMULATED_GPU_WAITS");
  if (waits != nullptr && std::string(waits) == "0") d.wait_value = [](Stream, Pointer, unsigned, unsigned) { return 801; };
  d.init = [](unsigned) { return 0; };
  d.device_count = [](int* count) { return *count = 1, 0; };
  d.device_get = [](Device* gpu, int) { return *gpu = 0, 0; };
  d.primary_context = [](Context* context, Device) { return *context = nullptr, 0; };
  d.release_context = [](Device) { return 0; };
  d.set_context = [](Context) { return 0; };
  d.on_device = [](Pointer to, Pointer from, size_t bytes, Stream stream) {
    return emulated::AddCopy(stream, reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes), 0;
  };
  d.memory_allocate = [](Pointer* made, size_t bytes) {
    return *made = reinterpret_cast<Pointer>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)), 0;
  };
  d.memory_free = [](Pointer memory) {
    while (emulated::Advance()) continue;  // waits for its users
    return std::free(reinterpret_cast<void*>(memory)), 0;
  };
  d.device_memory = [](size_t* bytes, Device) { return *bytes = size_t{16} << 30, 0; };
  d.granularity = [](size_t* bytes, const MemoryKind*, int) { return *bytes = 2 << 20, 0; };
  d.addresses_reserve = [](Pointer* start, size_t bytes, size_t, Pointer, unsigned long long) {
    void* const made = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return *start = reinterpret_cast<Pointer>(made), made == MAP_FAILED ? 2 : 0;
  };
  d.addresses_free = [](Pointer start, size_t bytes) { return munmap(reinterpret_cast<void*>(start), bytes); };
  d.memory_create = [](Memory* made, size_t, const MemoryKind*, unsigned long long) { return *made = 1, 0; };
  d.memory_release = [](Memory) { return 0; };
  d.memory_map = [](Pointer, size_t, size_t, Memory, unsigned long long) { return 0; };
  d.memory_access = [](Pointer start, size_t bytes, const Access*, size_t) {
    return mprotect(reinterpret_cast<void*>(start), bytes, PROT_READ | PROT_WRITE);
  };
  // Whoever still uses what was given back ends the process.
  d.memory_unmap = [](Pointer start, size_t bytes) {
    void* const memory = reinterpret_cast<void*>(start);
    return madvise(memory, bytes, MADV_DONTNEED) | mprotect(memory, bytes, PROT_NONE);
  };
  return d;
}

}  // namespace cuda

namespace {

void ConvolveByDefinition(const Convolution& c, const ConvolutionTensors& t) {
  const auto image = [&](int64_t n, int64_t y, int64_t x, int64_t k) -> float& {
    return t.image[c.channels_first ? ((n * c.in_channels + k) * c.in_height + y) * c.in_width + x
                                    : ((n * c.in_height + y) * c.in_width + x) * c.in_channels + k];
  };
  const auto upstream = [&](int64_t n, int64_t y, int64_t x, int64_t o) -> float& {
    return t.upstream[c.channels_first ? ((n * c.out_channels + o) * c.out_height + y) * c.out_width + x
                                       : ((n * c.out_height + y) * c.out_width + x) * c.out_channels + o];
  };
  const auto filter = [&](int64_t o, int64_t y, int64_t x, int64_t k) -> float& {
    return t.filter[c.channels_first ? ((o * c.in_channels + k) * c.filter_height + y) * c.filter_width + x
                                     : ((o * c.filter_height + y) * c.filter_width + x) * c.in_channels + k];
  };
  if (c.product == Product::kForward) std::fill_n(t.upstream, c.UpstreamElements(), 0.0f);
  if (c.product == Product::kInputGradient) std::fill_n(t.image, c.ImageElements(), 0.0f);
  if (c.product == Product::kFilterGradient) std::fill_n(t.filter, c.FilterElements(), 0.0f);
  const auto pair = [&](int64_t n, int64_t oy, int64_t ox, int64_t fy, int64_t fx) {
    const int64_t y = oy * c.stride_height + fy * c.dilation_height - c.top;
    const int64_t x = ox * c.stride_width + fx * c.dilation_width - c.left;
    if (y < 0 || x < 0 || y >= c.in_height || x >= c.in_width) return;
    for (int64_t o = 0; o < c.out_channels; o++) {
      for (int64_t k = 0; k < c.in_channels; k++) {
        float &i = image(n, y, x, k), &u = upstream(n, oy, ox, o), &f = filter(o, fy, fx, k);
        if (c.product == Product::kForward) u += i * f;
        if (c.product == Product::kInputGradient) i += u * f;
        if (c.product == Product::kFilterGradient) f += u * i;
      }
    }
  };
  for (int64_t n = 0; n < c.batch; n++) {
    for (int64_t oy = 0; oy < c.out_height; oy++) {
      for (int64_t ox = 0; ox < c.out_width; ox++) {
        for (int64_t at = 0; at < c.filter_height * c.filter_width; at++) {
          pair(n, oy, ox, at / c.filter_width, at % c.filter_width);
        }
      }
    }
  }
}

void MultiplyByDefinition(const MatrixProduct& p, const float* a, const float* b, float* result) {
  for (int64_t i = 0; i < p.rows; i++) {
    for (int64_t j = 0; j < p.columns; j++) {
      float sum = 0;
      for (int64_t k = 0; k < p.inner; k++) {
        sum += a[p.transpose_a ? k * p.rows + i : i * p.inner + k] * b[p.transpose_b ? j * p.inner + k : k * p.columns + j];
      }
      result[i * p.columns + j] = sum;
    }
  }
}

class EmulatedDevice : public GpuDevice {
 public:
  using GpuDevice::GpuDevice;

  bool IsHere(TFE_TensorHandle*) const override { return true; }
  void Flush() override {
    GpuDevice::Flush();
    if (IsWaiting()) Refuse("an op of TensorFlow cannot run here while the emulated GPU waits for the host");
    cuda::Load().stream_synchronize(stream_);
  }
  // Memory of a CPU's tensors goes at once.
  void Leave(TFE_TensorHandle* handle) override {
    if (!Owns(handle)) {
      Enter();
      emulated::AdvanceUntil([this] { return emulated::Of(stream_)->ops.empty(); });
    }
    GpuDevice::Leave(handle);
  }

  std::vector<Cost> Algorithms(const Convolution&) override { return {{1, 4096}, {2, 0}}; }
  bool Convolve(const Convolution& convolution, const ConvolutionTensors& tensors, int64_t) override {
    Enter();
    emulated::Add(stream_, [=] { ConvolveByDefinition(convolution, tensors); });
    return true;
  }
  bool Multiply(const MatrixProduct& product, const float* a, const float* b, float* result) override {
    Enter();
    emulated::Add(stream_, [=] { MultiplyByDefinition(product, a, b, result); });
    return true;
  }
};

}  // namespace

void ExpectGpu() {}

std::unique_ptr<Device> OpenGpu(TFE_Context* context, std::string* placement, Precision precision, size_t own_bytes) {
  if (own_bytes == 0) Refuse("an emulated GPU has memory of our own alone: HAYATE_GPU_ALLOCATOR=own");
  *placement = "/job:localhost/replica:0/task:0/device:CPU:0";
  tensorflow::EagerContext* const eager = tensorflow::ContextFromInterface(tensorflow::unwrap(context));
  tensorflow::Device* device = nullptr;
  if (!eager->FindDeviceFromName(placement->c_str(), &device).ok()) Refuse("TensorFlow has no CPU");
  cuda::Stream stream = nullptr;
  cuda::Load().stream_create(&stream, 0, 0);
  tensorflow::Allocator* const theirs = device->GetAllocator(tensorflow::AllocatorAttributes());
  OwnAllocator own(new GpuAllocator(theirs, cuda::Load(), 0, own_bytes));
  return std::make_unique<EmulatedDevice>(eager, device, 0, nullptr, stream, precision, std::move(own));
}

}  // namespace hayate
