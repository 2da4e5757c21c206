#include <chrono>
#include <cstring>
#include <map>

#include "device.h"
#include "tensorflow/c/eager/c_api_experimental.h"
#include "tensorflow_handles.h"

namespace hayate {
namespace {

// Everything happens while it is asked for: tickets of what is sent are 0.
class HostDevice : public Device {
 public:
  explicit HostDevice(int threads) : threads_(threads) {}

  Region RegionOf(TFE_TensorHandle* handle) const override {
    Status status;
    const size_t bytes = BytesOf(handle);
    char* const start = static_cast<char*>(TFE_TensorHandleDevicePointer(handle, status));
    status.Check();
    return {start, bytes};
  }

  bool IsHere(TFE_TensorHandle*) const override { return true; }

  TFE_TensorHandle* Allocate(TF_DataType type, const std::vector<int64_t>& shape) override {
    const size_t bytes = ElementsOf(shape) * ElementBytes(type);
    const Tensor tensor(TF_AllocateTensor(type, shape.data(), static_cast<int>(shape.size()), bytes));
    if (tensor == nullptr || (bytes > 0 && TF_TensorData(tensor.get()) == nullptr)) {
      throw Failure(TF_RESOURCE_EXHAUSTED, "no memory for " + std::to_string(bytes) + " bytes");
    }
    return HandleOf(tensor.get());
  }

  std::vector<TFE_TensorHandle*> AllocateTogether(int64_t length, size_t count) override {
    std::vector<TFE_TensorHandle*> handles;
    for (size_t at = 0; at < count; at++) handles.push_back(Allocate(TF_FLOAT, {length}));
    return handles;
  }

  TFE_TensorHandle* View(TFE_TensorHandle* handle, const std::vector<int64_t>& shape) override {
    Status status;
    const Tensor whole(TFE_TensorHandleResolve(handle, status));  // shares the memory of a tensor on the host
    status.Check();
    const Tensor view(TF_AllocateTensor(TF_FLOAT, nullptr, 0, sizeof(float)));
    const TF_DataType type = TF_TensorType(whole.get());
    TF_TensorBitcastFrom(whole.get(), type, view.get(), shape.data(), static_cast<int>(shape.size()), status);
    status.Check();
    return HandleOf(view.get());
  }

  void Fill(const Region& to, const void* from) override { std::memcpy(to.start, from, to.bytes); }
  void Copy(const Region& to, const char* from) override { std::memcpy(to.start, from, to.bytes); }
  void Read(const Region& from, void* to) override { std::memcpy(to, from.start, from.bytes); }

  Tickets Send(const std::vector<Sending>& parts) override {
    for (const Sending& sending : parts) Read(sending.part, sending.to);
    return {};
  }

  Ticket Expect(TFE_TensorHandle* in, const Region& place, bool) override {
    Status status;
    Tensor memory(TFE_TensorHandleResolve(in, status));  // shared
    status.Check();
    expected_.emplace(++told_, Expected{place, false, std::move(memory)});
    return told_;
  }
  bool Bring(Ticket ticket, const void* from, size_t bytes) override {
    Expected& expected = Find(ticket);
    if (bytes != expected.place.bytes) {
      Refuse(std::to_string(bytes) + " bytes come where " + std::to_string(expected.place.bytes) + " are expected");
    }
    if (expected.is_there) Refuse("what was expected has been brought already");
    Fill(expected.place, from);
    expected.is_there = true;
    return true;
  }
  bool Settle(Ticket ticket) override {
    if (!Find(ticket).is_there) return false;
    expected_.erase(ticket);
    return true;
  }

  bool Arrived(Ticket) override { return true; }
  void Wait(Ticket) override {}
  void Pin(void*, size_t) override {}
  void Unpin(void*) override {}

  bool Update(const Sgd& settings, float* variable, Gradient sum, double scale, size_t length, int) override {
    return hayate::Update(settings, variable, Of(sum), scale, length);
  }
  bool Update(const Momentum& settings, float* variable, float* velocity, Gradient sum, double scale, size_t length,
              int) override {
    return hayate::Update(settings, variable, velocity, Of(sum), scale, length);
  }
  bool Update(const Adam& settings, float* variable, float* first, float* second, Gradient sum, double scale,
              size_t length, int) override {
    return hayate::Update(settings, variable, first, second, Of(sum), scale, length);
  }
  bool Average(float* variable, Gradient sum, double scale, size_t length, int) override {
    return hayate::Average(variable, Of(sum), scale, length);
  }
  int Failed() override { return 0; }

  void AddBias(float* values, const float* bias, int64_t outer, int64_t channels, int64_t inner, bool relu) override {
    if (inner != 1) Refuse("pictures with their channels first are for GPUs");
    hayate::AddBias(values, bias, outer, channels, relu, threads_);
  }
  void PlaneSums(const float* values, float* sums, int64_t outer, int64_t channels, int64_t inner) override {
    if (inner != 1) Refuse("pictures with their channels first are for GPUs");
    SumRows(values, outer, channels, sums, threads_);
  }
  std::vector<Cost> Algorithms(const Convolution&) override { return {}; }
  bool Convolve(const Convolution&, const ConvolutionTensors&, int64_t) override { return false; }
  void MaxPool(const Window& window, const float* image, float* target) override {
    hayate::MaxPool(window, image, target, threads_);
  }
  void MaxPoolGrad(const Window& window, const float* image, const float* dy, float* target, float floor) override {
    hayate::MaxPoolGrad(window, image, dy, target, floor, threads_);
  }
  void ReluGrad(const float*, const float*, const float*, float*, int64_t) override {
    Refuse("a ReLU's gradient of our own is for GPUs");
  }
  void SmallConvolution(const Window& window, int64_t out_channels, const float* x, const float* filter,
                        const float* bias, bool relu, float* y) override {
    hayate::Convolve(window, out_channels, x, filter, bias, relu, y, threads_);
  }
  void SmallConvolutionInputGrad(const Window& window, int64_t out_channels, const float* dy, const float* filter,
                                 float* dx) override {
    hayate::ConvolveInputGrad(window, out_channels, dy, filter, dx, threads_);
  }
  void SmallConvolutionFilterGrad(const Window& window, int64_t out_channels, const float* x, const float* dy,
                                  float* target) override {
    hayate::ConvolveFilterGrad(window, out_channels, x, dy, target, threads_);
  }
  void BatchNorm(const Normalisation&, double, const std::vector<float*>&, const std::vector<float*>&) override {
    Refuse("batch normalisation of our own is for GPUs");
  }
  void BatchNormGrad(const Normalisation&, const std::vector<float*>&, const std::vector<float*>&) override {
    Refuse("batch normalisation of our own is for GPUs");
  }

  void Uniform(float*, size_t, uint32_t, uint32_t, double, double) override {
    Refuse("random numbers of our own are for GPUs");
  }
  size_t Mark() override {
    marks_.push_back(std::chrono::steady_clock::now());
    return marks_.size() - 1;
  }
  double Between(size_t from, size_t to) override {
    if (from >= marks_.size() || to >= marks_.size()) Refuse("there is no such mark");
    return std::chrono::duration<double, std::milli>(marks_[to] - marks_[from]).count();
  }
  void ClearMarks() override { marks_.clear(); }

  MemoryStatistics Statistics() const override { return {}; }
  void ResetPeak() override {}

 private:
  struct Expected {
    Region place;
    bool is_there;
    Tensor memory;
  };

  Expected& Find(Ticket ticket) {
    const auto found = expected_.find(ticket);
    if (found == expected_.end()) Refuse("nothing is expected as " + std::to_string(ticket));
    return found->second;
  }

  static const float* Of(const Gradient& sum) { return sum.host != nullptr ? sum.host : sum.tensor; }

  static TFE_TensorHandle* HandleOf(TF_Tensor* tensor) {
    Status status;
    TFE_TensorHandle* const handle = TFE_NewTensorHandle(tensor, status);
    status.Check();
    return handle;
  }

  const int threads_;
  Ticket told_ = 0;
  std::map<Ticket, Expected> expected_;
  std::vector<std::chrono::steady_clock::time_point> marks_;
};

}  // namespace

std::unique_ptr<Device> OpenHost(int threads) { return std::make_unique<HostDevice>(threads); }

}  // namespace hayate
