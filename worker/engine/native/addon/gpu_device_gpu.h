// Tensors on an NVIDIA GPU. What TensorFlow's C API does not give (a tensor's address without waiting for the device,
// the compute stream, the allocator) comes from the classes behind it, of the one version that the engine is built for.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cuda_driver_gpu.h"
#include "device.h"
#include "gpu_allocator_gpu.h"
#include "gpu_arrivals_gpu.h"
#include "gpu_clock_gpu.h"
#include "gpu_compute_gpu.h"
#include "gpu_departures_gpu.h"
#include "gpu_pinned_gpu.h"
#include "gpu_transfers_gpu.h"
#include "gpu_updates_gpu.h"
#include "tensorflow/c/eager/tfe_context_internal.h"
#include "tensorflow/c/eager/tfe_tensorhandle_internal.h"
#include "tensorflow/core/common_runtime/eager/context.h"
#include "tensorflow/core/common_runtime/eager/tensor_handle.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow_handles.h"

namespace hayate {
class GpuDevice : public GpuCompute {
 public:
  GpuDevice(tensorflow::EagerContext* context, tensorflow::Device* device, cuda::Device gpu, cuda::Context cuda_context,
            cuda::Stream stream, Precision precision, OwnAllocator own)
      : GpuCompute(own == nullptr ? device->GetAllocator(tensorflow::AllocatorAttributes()) : own.get(), gpu, stream, precision),
        driver_(cuda::Load()),
        cuda_context_(cuda_context),
        context_(context),
        device_(device),
        own_(std::move(own)),
        transfers_(stream),
        departures_(stream, kernels_, pinned_),
        arrivals_(stream),
        clock_(stream) {
    void* word = nullptr;
    cuda::Check(driver_.host_allocate(&word, sizeof(int), cuda::kHostPortable | cuda::kHostMapped), "allocating");
    bad_ = static_cast<int*>(word);
    *bad_ = 0;
    updates_ = std::make_unique<GpuUpdates>(kernels_, bad_);
  }

  ~GpuDevice() override {
    driver_.set_context(cuda_context_);
    driver_.stream_synchronize(stream_);
    driver_.host_free(bad_);
  }

  // Contexts are current by thread; TensorFlow leaves its own behind, which is the same one.
  void Current() const { cuda::Check(driver_.set_context(cuda_context_), "entering the GPU"); }
  void Enter() override {
    Current();
    StartUpdates();
  }

  Region RegionOf(TFE_TensorHandle* handle) const override {
    const auto bytes = TensorOf(handle).tensor_data();
    return {const_cast<char*>(bytes.data()), bytes.size()};
  }

  bool IsHere(TFE_TensorHandle* handle) const override { return Of(handle)->device() == device_; }

  TFE_TensorHandle* Allocate(TF_DataType type, const std::vector<int64_t>& shape) override {
    return Local(Make(type, shape), device_);
  }

  std::vector<TFE_TensorHandle*> AllocateTogether(int64_t length, size_t count) override {
    constexpr int64_t kAlignment = 64;  // numbers, as the allocator aligns
    const int64_t stride = (length + kAlignment - 1) / kAlignment * kAlignment;
    const tensorflow::Tensor whole = Make(TF_FLOAT, {stride * static_cast<int64_t>(count)});
    std::vector<TFE_TensorHandle*> handles;
    for (size_t at = 0; at < count; at++) {
      const int64_t start = stride * static_cast<int64_t>(at);
      handles.push_back(Local(whole.Slice(start, start + length), device_));
    }
    return handles;
  }

  TFE_TensorHandle* View(TFE_TensorHandle* handle, const std::vector<int64_t>& shape) override {
    const tensorflow::Tensor& whole = TensorOf(handle);
    tensorflow::Tensor view(whole.dtype());
    if (!view.CopyFrom(whole, TensorShapeOf(shape))) Refuse("the shapes have not as many elements");
    return Local(std::move(view), Of(handle)->device());
  }

  void Fill(const Region& to, const void* from) override {
    Enter();
    transfers_.Fill(to, from, !arrivals_.IsWaiting());
  }
  void Copy(const Region& to, const char* from) override {
    Enter();
    const auto at = [](const char* memory) { return reinterpret_cast<cuda::Pointer>(memory); };
    cuda::Check(driver_.on_device(at(to.start), at(from), to.bytes, stream_), "copying on the GPU");
  }
  Ticket Expect(TFE_TensorHandle* in, const Region& place, bool is_vacant) override {
    Enter();
    return arrivals_.Expect(place, is_vacant, [tensor = TensorOf(in)] {});
  }
  bool Bring(Ticket expected, const void* from, size_t bytes) override {
    Current();
    return arrivals_.Bring(expected, from, bytes);
  }
  bool Settle(Ticket expected) override {
    Enter();
    return arrivals_.Settle(expected);
  }
  double Stalled() override {
    Current();
    return arrivals_.Stalled();
  }
  void Leave(TFE_TensorHandle* handle) override {
    if (!IsHere(handle)) return;
    // Memory may be handed out again for work that is started before what is put off, and so stays until that is started.
    if (!updates_->IsEmpty()) held_.push_back(TensorOf(handle));
    Current();
    if (own_ != nullptr && !Owns(handle)) own_->memory().Watch();
    departures_.Leave(RegionOf(handle).start);
  }
  void Read(const Region& from, void* to) override {
    Enter();
    ExpectNoWait();
    transfers_.Read(from, to);
  }
  Tickets Send(const std::vector<Sending>& parts) override {
    Enter();
    std::vector<GpuDepartures::Part> leaving;
    for (const auto& [tensor, part, to] : parts) leaving.push_back({RegionOf(tensor).start, part, to});
    return departures_.Send(leaving);
  }
  bool Arrived(Ticket ticket) override {
    Current();
    return departures_.Arrived(ticket);
  }
  void Wait(Ticket ticket) override {
    Enter();
    departures_.Wait(ticket);
  }
  void Pin(void* memory, size_t bytes) override {
    Enter();
    pinned_.Pin(memory, bytes);
  }
  void Unpin(void* memory) override {
    Finish();
    pinned_.Unpin(memory);
  }
  void Abandon() override { arrivals_.Abandon(); }
  void Finish() override {
    Enter();
    ExpectNoWait();
    departures_.Finish();
    cuda::Check(driver_.stream_synchronize(stream_), "waiting for the GPU");
    arrivals_.Finish();
  }

  bool Update(const Sgd& s, float* variable, Gradient sum, double scale, size_t length, int tag) override {
    return Queue({"update_sgd", {s.learningRate}, scale, variable, nullptr, nullptr, nullptr, length, tag}, sum);
  }
  bool Update(const Momentum& s, float* variable, float* velocity, Gradient sum, double scale, size_t length,
              int tag) override {
    const std::array<double, 6> numbers{s.learningRate, s.momentum, s.nesterov ? 1.0 : 0.0};
    return Queue({"update_momentum", numbers, scale, variable, velocity, nullptr, nullptr, length, tag}, sum);
  }
  bool Update(const Adam& s, float* variable, float* first, float* second, Gradient sum, double scale, size_t length,
              int tag) override {
    const std::array<double, 6> numbers{s.learningRate, s.beta1,           s.beta2,
                                        s.epsilon,      s.firstCorrection, s.secondCorrection};
    return Queue({"update_adam", numbers, scale, variable, first, second, nullptr, length, tag}, sum);
  }
  bool Average(float* variable, Gradient sum, double scale, size_t length, int tag) override {
    return Queue({"average", {}, scale, variable, nullptr, nullptr, nullptr, length, tag}, sum);
  }
  void Flush() override {
    StartUpdates();
    if (own_ != nullptr) own_->memory().Watch();
  }

  int Failed() override {
    volatile int* const word = bad_;
    const int tag = *word;
    *word = 0;
    return tag;
  }

  size_t Mark() override {
    Enter();
    return clock_.Mark();
  }
  double Between(size_t from, size_t to) override { return clock_.Between(from, to); }
  void ClearMarks() override { clock_.Clear(); }

  MemoryStatistics Statistics() const override {
    return own_ == nullptr ? StatisticsOf(allocator_, false) : own_->memory().Statistics();
  }
  void ResetPeak() override {
    if (own_ == nullptr) {
      (void)allocator_->ClearStats();
      return;
    }
    own_->memory().Forget();
  }
  void Trim() override {
    if (own_ == nullptr) return;
    Finish();
    own_->memory().Trim();
  }

 protected:
  bool IsWaiting() const { return arrivals_.IsWaiting(); }
  // Lies in memory of our own.
  bool Owns(TFE_TensorHandle* handle) const { return own_ != nullptr && own_->memory().Holds(RegionOf(handle).start); }

 private:
  static tensorflow::TensorHandle* Of(TFE_TensorHandle* handle) {
    return tensorflow::TensorHandleFromInterface(tensorflow::unwrap(handle));
  }

  static const tensorflow::Tensor& TensorOf(TFE_TensorHandle* handle) {
    const tensorflow::Tensor* tensor = nullptr;
    const absl::Status status = Of(handle)->Tensor(&tensor);
    if (!status.ok()) throw Failure(static_cast<TF_Code>(status.code()), std::string(status.message()));
    return *tensor;
  }

  static tensorflow::TensorShape TensorShapeOf(const std::vector<int64_t>& sizes) {
    tensorflow::TensorShape shape;
    for (const int64_t size : sizes) shape.AddDim(size);
    return shape;
  }

  void StartUpdates() {
    if (!updates_->IsEmpty()) {
      Current();
      updates_->Start();
    }
    held_.clear();
  }

  // Who waits for a GPU that waits for him waits for ever.
  void ExpectNoWait() const {
    if (arrivals_.IsWaiting()) Refuse("the GPU waits for numbers that have not been brought");
  }

  TFE_TensorHandle* Local(tensorflow::Tensor tensor, tensorflow::Device* device) const {
    return tensorflow::wrap(tensorflow::TensorHandle::CreateLocalHandle(std::move(tensor), device, device_, context_));
  }

  // Memory of tensors that are gone, but not yet updated from, is given back first.
  tensorflow::Tensor Make(TF_DataType type, const std::vector<int64_t>& shape) {
    Enter();
    const size_t bytes = ElementsOf(shape) * ElementBytes(type);
    const tensorflow::AllocationAttributes once(/*retry_on_failure=*/false, /*allocation_will_be_logged=*/false, nullptr);
    tensorflow::Tensor tensor(allocator_, static_cast<tensorflow::DataType>(type), TensorShapeOf(shape), once);
    if (bytes > 0 && !tensor.IsInitialized()) {
      throw Failure(TF_RESOURCE_EXHAUSTED, "no memory on the GPU for " + std::to_string(bytes) + " bytes");
    }
    return tensor;
  }

  // Puts an update off, until Flush at the latest; numbers of the host are brought to the GPU for as long.
  bool Queue(GpuUpdates::Request request, Gradient sum) {
    if (request.length == 0) return true;
    if (sum.tensor != nullptr) {
      Current();
      request.sum = sum.tensor;
      updates_->Add(request);
      return true;
    }
    const tensorflow::Tensor room = Make(TF_FLOAT, {static_cast<int64_t>(request.length)});
    const auto start = reinterpret_cast<cuda::Pointer>(room.data());
    cuda::Check(driver_.to_device(start, sum.host, room.TotalBytes(), stream_), "copying to the GPU");
    request.sum = static_cast<const float*>(room.data());
    updates_->Add(request);
    StartUpdates();
    return true;
  }

  const cuda::Driver& driver_;
  const cuda::Context cuda_context_;
  tensorflow::EagerContext* const context_;
  tensorflow::Device* const device_;
  const OwnAllocator own_;  // goes last
  GpuPinned pinned_;
  GpuTransfers transfers_;
  GpuDepartures departures_;
  GpuArrivals arrivals_;
  std::unique_ptr<GpuUpdates> updates_;
  std::vector<tensorflow::Tensor> held_;
  GpuClock clock_;
  int* bad_ = nullptr;
};

}  // namespace hayate
