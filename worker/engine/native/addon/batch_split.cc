#include "batch_split.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <mutex>
#include <unordered_map>

#include "signals.h"
#include "tensorflow_handles.h"
#include "threads.h"

namespace hayate {
namespace {

// Above so many threads TensorFlow's own way of dividing an op is better than one part a thread.
constexpr int kMostParts = 16;
// Bytes of images and gradients that are worth a thread.
constexpr size_t kBytesPerPart = 1 << 15;

const std::unordered_map<std::string, SplitRule>& Rules() {
  static const auto* const rules = new std::unordered_map<std::string, SplitRule>{
      {"AvgPool", {0, -1, -1, Joining::kStacked}},
      {"Conv2D", {0, -1, -1, Joining::kStacked}},
      {"Conv2DBackpropFilter", {0, 2, -1, Joining::kSummed}},
      {"Conv2DBackpropInput", {-1, 2, 0, Joining::kStacked}},
  };
  return *rules;
}

// A serialized tensorflow.ConfigProto: one CPU, one thread in an op, one op at a time.
constexpr unsigned char kOneThread[] = {0x0a, 7, 0x0a, 3, 'C', 'P', 'U', 0x10, 1, 0x10, 1, 0x28, 1};

// A tensor over memory of the host that somebody else owns; another context's handles cannot be inputs.
Handle Over(TF_DataType type, const std::vector<int64_t>& shape, const Region& memory) {
  const auto keep = [](void*, size_t, void*) {};
  const Tensor tensor(
      TF_NewTensor(type, shape.data(), static_cast<int>(shape.size()), memory.start, memory.bytes, keep, nullptr));
  Status status;
  Handle handle(TFE_NewTensorHandle(tensor.get(), status));
  status.Check();
  return handle;
}

// Items [first, last) of the first axis, where they are.
Handle Part(Device& host, TFE_TensorHandle* whole, int64_t first, int64_t last) {
  std::vector<int64_t> shape = ShapeOf(whole);
  const Region region = host.RegionOf(whole);
  const size_t item = region.bytes / shape[0];
  shape[0] = last - first;
  return Over(TFE_TensorHandleDataType(whole), shape, {region.start + first * item, (last - first) * item});
}

// The shape of a result with another batch.
Handle ShapeWith(Device& host, TFE_TensorHandle* handle, int64_t batch) {
  const Region region = host.RegionOf(handle);
  Handle copy(host.Allocate(TF_INT32, ShapeOf(handle)));
  int32_t* const sizes = reinterpret_cast<int32_t*>(host.RegionOf(copy.get()).start);
  std::memcpy(sizes, region.start, region.bytes);
  sizes[0] = static_cast<int32_t>(batch);
  return copy;
}

// Images in a batch, or 0 where the op is not to be split.
int64_t BatchOf(Device& host, const SplitRule& rule, const std::vector<TFE_TensorHandle*>& inputs) {
  int64_t batch = 0;
  for (const int at : {rule.images, rule.gradients}) {
    if (at < 0) continue;
    TFE_TensorHandle* const handle = inputs[at];
    if (TFE_TensorHandleDataType(handle) != TF_FLOAT) return 0;
    const std::vector<int64_t> shape = ShapeOf(handle);
    if (shape.size() != 4 || host.RegionOf(handle).bytes == 0) return 0;
    if (batch != 0 && shape[0] != batch) return 0;
    batch = shape[0];
  }
  if (rule.shape >= 0) {
    TFE_TensorHandle* const sizes = inputs[rule.shape];
    if (TFE_TensorHandleDataType(sizes) != TF_INT32 || ShapeOf(sizes) != std::vector<int64_t>{4}) return 0;
    if (reinterpret_cast<const int32_t*>(host.RegionOf(sizes).start)[0] != batch) return 0;
  }
  return batch;
}

void Add(const float* part, float* sum, size_t length) {
#pragma GCC ivdep
  for (size_t i = 0; i < length; i++) sum[i] += part[i];
}

}  // namespace

BatchSplit::BatchSplit(std::string placement, Device& host, int threads)
    : placement_(std::move(placement)), host_(host), threads_(threads) {}

BatchSplit::~BatchSplit() {
  if (single_ != nullptr) TFE_DeleteContext(single_);
}

TFE_Context* BatchSplit::Single() {
  if (single_ != nullptr) return single_;
  const SignalsHeld held;
  Status status;
  TFE_ContextOptions* const options = TFE_NewContextOptions();
  TFE_ContextOptionsSetConfig(options, kOneThread, sizeof(kOneThread), status);
  if (status.ok()) single_ = TFE_NewContext(options, status);
  TFE_DeleteContextOptions(options);
  status.Check();
  return single_;
}

TFE_TensorHandle* BatchSplit::RunPart(const std::string& name, const std::vector<Attribute>& attributes,
                                      const std::vector<TFE_TensorHandle*>& inputs, const SplitRule& rule,
                                      int64_t first, int64_t last) {
  Status status;
  const std::unique_ptr<TFE_Op, DeleteOp> op(TFE_NewOp(single_, name.c_str(), status));
  status.Check(name);
  if (!placement_.empty()) {
    TFE_OpSetDevice(op.get(), placement_.c_str(), status);
    status.Check(name);
  }
  for (const Attribute& attribute : attributes) SetAttribute(op.get(), attribute);
  std::vector<Handle> held;
  for (int at = 0; at < static_cast<int>(inputs.size()); at++) {
    if (at == rule.shape) {
      held.push_back(ShapeWith(host_, inputs[at], last - first));
    } else if (at == rule.images || at == rule.gradients) {
      held.push_back(Part(host_, inputs[at], first, last));
    } else {
      held.push_back(Over(TFE_TensorHandleDataType(inputs[at]), ShapeOf(inputs[at]), host_.RegionOf(inputs[at])));
    }
    TFE_OpAddInput(op.get(), held.back().get(), status);
    status.Check(name);
  }
  TFE_TensorHandle* result = nullptr;
  int made = 1;
  TFE_Execute(op.get(), &result, &made, status);
  status.Check(name);
  return result;
}

TFE_TensorHandle* BatchSplit::Execute(const std::string& op, const std::vector<Attribute>& attributes,
                                      const std::vector<TFE_TensorHandle*>& inputs) {
  if (threads_ < 2 || threads_ > kMostParts) return nullptr;
  const auto found = Rules().find(op);
  if (found == Rules().end()) return nullptr;
  const SplitRule& rule = found->second;
  const int64_t batch = BatchOf(host_, rule, inputs);
  if (batch < threads_) return nullptr;
  const size_t bytes = host_.RegionOf(inputs[rule.images >= 0 ? rule.images : rule.gradients]).bytes;
  const int parts = static_cast<int>(std::min<int64_t>(threads_, static_cast<int64_t>(bytes / kBytesPerPart)));
  if (parts < 2) return nullptr;
  Single();

  std::vector<Handle> results(parts);
  std::vector<std::exception_ptr> failures(parts);
  Handle stacked;
  std::once_flag allocated;
  InParallel(parts, [&](int part) {
    try {
      const int64_t first = batch * part / parts, last = batch * (part + 1) / parts;
      Handle result(RunPart(op, attributes, inputs, rule, first, last));
      if (rule.joining == Joining::kStacked) {
        std::call_once(allocated, [&] {
          std::vector<int64_t> shape = ShapeOf(result.get());
          shape[0] = batch;
          stacked.reset(host_.Allocate(TFE_TensorHandleDataType(result.get()), shape));
        });
        const Region from = host_.RegionOf(result.get());
        const size_t image = from.bytes / (last - first);
        std::memcpy(host_.RegionOf(stacked.get()).start + first * image, from.start, from.bytes);
      } else {
        results[part] = std::move(result);
      }
    } catch (...) {
      failures[part] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure != nullptr) std::rethrow_exception(failure);
  }
  if (rule.joining == Joining::kStacked) return stacked.release();
  Handle sum(host_.Allocate(TF_FLOAT, ShapeOf(results[0].get())));
  const Region to = host_.RegionOf(sum.get());
  std::memcpy(to.start, host_.RegionOf(results[0].get()).start, to.bytes);
  for (int part = 1; part < parts; part++) {
    const Region from = host_.RegionOf(results[part].get());
    Add(reinterpret_cast<const float*>(from.start), reinterpret_cast<float*>(to.start), to.bytes / sizeof(float));
  }
  return sum.release();
}

}  // namespace hayate
