#include "context.h"

#include <algorithm>

#include "batch_split.h"
#include "failure.h"
#include "op_signatures.h"
#include "signals.h"
#include "tensorflow_handles.h"

namespace hayate {

void SetAttribute(TFE_Op* op, const Attribute& attribute) {
  const char* name = attribute.name.c_str();
  if (const auto* value = std::get_if<int64_t>(&attribute.value)) {
    TFE_OpSetAttrInt(op, name, *value);
  } else if (const auto* value = std::get_if<float>(&attribute.value)) {
    TFE_OpSetAttrFloat(op, name, *value);
  } else if (const auto* value = std::get_if<bool>(&attribute.value)) {
    TFE_OpSetAttrBool(op, name, *value ? 1 : 0);
  } else if (const auto* value = std::get_if<TypeValue>(&attribute.value)) {
    TFE_OpSetAttrType(op, name, value->type);
  } else if (const auto* value = std::get_if<std::string>(&attribute.value)) {
    TFE_OpSetAttrString(op, name, value->data(), value->size());
  } else if (const auto* value = std::get_if<std::vector<int64_t>>(&attribute.value)) {
    TFE_OpSetAttrIntList(op, name, value->data(), static_cast<int>(value->size()));
  }
}

Context::Context(const ContextOptions& options) : placement_(options.device), host_(OpenHost(options.threads)) {
  const SignalsHeld held;
  const bool on_gpu = placement_.find("GPU") != std::string::npos;
  if (on_gpu) ExpectGpu();
  Status status;
  TFE_ContextOptions* contextOptions = TFE_NewContextOptions();
  if (!options.config.empty()) {
    TFE_ContextOptionsSetConfig(contextOptions, options.config.data(), options.config.size(), status);
  }
  if (status.ok()) context_ = TFE_NewContext(contextOptions, status);
  TFE_DeleteContextOptions(contextOptions);
  status.Check();
  device_ = host_.get();
  if (!on_gpu) {
    split_ = std::make_unique<BatchSplit>(placement_, *host_, options.threads);
    return;
  }
  try {
    gpu_ = OpenGpu(context_, &placement_, options.precision, options.own_bytes);
  } catch (...) {
    TFE_DeleteContext(context_);
    throw;
  }
  device_ = gpu_.get();
}

Context::~Context() {
  device_->Abandon();
  try {
    device_->Finish();  // memory is still in use until then
  } catch (const Failure&) {
    // A device that has failed uses nothing any more.
  }
  for (const auto& [id, handle] : tensors_) TFE_DeleteTensorHandle(handle);
  gpu_.reset();
  TFE_DeleteContext(context_);
}

TensorId Context::Keep(TFE_TensorHandle* handle) {
  const TensorId id = next_++;
  tensors_.emplace(id, handle);
  return id;
}

TFE_TensorHandle* Context::Find(TensorId id) const {
  const auto found = tensors_.find(id);
  if (found == tensors_.end()) Refuse("there is no tensor " + std::to_string(id));
  return found->second;
}

Device& Context::DeviceOf(TFE_TensorHandle* handle) const { return device_->IsHere(handle) ? *device_ : *host_; }

TensorId Context::Allocate(TF_DataType type, const std::vector<int64_t>& shape) {
  return Keep(device_->Allocate(type, shape));
}

std::vector<TensorId> Context::AllocateTogether(int64_t length, size_t count) {
  std::vector<TensorId> ids;
  for (TFE_TensorHandle* handle : device_->AllocateTogether(length, count)) ids.push_back(Keep(handle));
  return ids;
}

TensorId Context::Create(TF_DataType type, const std::vector<int64_t>& shape, const void* data, size_t bytes,
                         bool on_host) {
  if (ElementsOf(shape) * ElementBytes(type) != bytes) Refuse("the data does not fill the shape");
  Device& device = on_host ? *host_ : *device_;
  Handle handle(device.Allocate(type, shape));
  if (bytes > 0) device.Fill(device.RegionOf(handle.get()), data);
  return Keep(handle.release());
}

TensorId Context::Alias(TensorId id, const std::vector<int64_t>& shape) {
  TFE_TensorHandle* handle = Find(id);
  Status status;
  const int64_t elements = TFE_TensorHandleNumElements(handle, status);
  status.Check();
  if (ElementsOf(shape) != static_cast<size_t>(elements)) Refuse("the shapes have not as many elements");
  return Keep(device_->View(handle, shape));
}

void Context::Read(TensorId id, void* to) const {
  TFE_TensorHandle* const handle = Find(id);
  const Region region = RegionOf(handle);
  if (region.bytes > 0) DeviceOf(handle).Read(region, to);
}

Device::Tickets Context::Send(const std::vector<Sent>& parts) const {
  std::vector<Device::Sending> here;
  for (const auto& [tensor, skipped, bytes, to] : parts) {
    if (bytes == 0) continue;
    TFE_TensorHandle* const handle = Find(tensor);
    const Region part{RegionOf(handle).start + skipped, bytes};
    if (device_->IsHere(handle)) {
      here.push_back({handle, part, to});
    } else {
      DeviceOf(handle).Read(part, to);
    }
  }
  return device_->Send(here);
}

Ticket Context::Expect(TensorId id, size_t skipped, size_t bytes, bool is_vacant) const {
  TFE_TensorHandle* const handle = Find(id);
  if (bytes == 0 || !device_->IsHere(handle)) Refuse("numbers can come to floats on the device alone, one at least");
  return device_->Expect(handle, {RegionOf(handle).start + skipped, bytes}, is_vacant);
}

size_t Context::Prepare(const Convolution& convolution) {
  convolutions_.push_back(convolution);
  return convolutions_.size() - 1;
}

const Convolution& Context::Prepared(size_t number) const {
  if (number >= convolutions_.size()) Refuse("there is no convolution " + std::to_string(number));
  return convolutions_[number];
}

TF_DataType Context::Type(TensorId id) const { return TFE_TensorHandleDataType(Find(id)); }

std::vector<int64_t> Context::Shape(TensorId id) const { return ShapeOf(Find(id)); }

std::vector<Output> Context::Execute(const std::string& name, const std::vector<Attribute>& attributes,
                                     const std::vector<TensorId>& inputs, const std::vector<bool>& consumed,
                                     int outputs) {
  CheckCall(name, attributes, inputs.size());
  device_->Flush();
  const SignalsHeld held;
  std::vector<TFE_TensorHandle*> handles;
  std::vector<Region> regions;
  for (size_t at = 0; at < inputs.size(); at++) {
    handles.push_back(Find(inputs[at]));
    regions.push_back(RegionOf(handles.back()));
    for (size_t other = 0; other < at; other++) {
      if (inputs[other] == inputs[at] && (consumed[other] || consumed[at])) Refuse("a consumed input is used twice");
    }
  }
  const bool consumes = std::find(consumed.begin(), consumed.end(), true) != consumed.end();
  if (split_ != nullptr && outputs == 1 && !consumes) {
    if (Handle whole(split_->Execute(name, attributes, handles)); whole != nullptr) {
      const Output made{0, TFE_TensorHandleDataType(whole.get()), ShapeOf(whole.get()), -1};
      return {{Keep(whole.release()), made.type, made.shape, -1}};
    }
  }
  Status status;
  const std::unique_ptr<TFE_Op, DeleteOp> op(TFE_NewOp(context_, name.c_str(), status));
  status.Check(name);
  if (!placement_.empty()) {
    TFE_OpSetDevice(op.get(), placement_.c_str(), status);
    status.Check(name);
  }
  for (const Attribute& attribute : attributes) SetAttribute(op.get(), attribute);
  for (TFE_TensorHandle* handle : handles) {
    TFE_OpAddInput(op.get(), handle, status);
    status.Check(name);
  }
  for (size_t at = 0; at < inputs.size(); at++) {
    if (consumed[at]) Delete(inputs[at]);
  }
  std::vector<TFE_TensorHandle*> results(outputs + 1, nullptr);
  int made = outputs + 1;
  TFE_Execute(op.get(), results.data(), &made, status);
  status.Check(name);

  std::vector<Handle> owned;
  for (int at = 0; at < made; at++) owned.emplace_back(results[at]);
  if (made != outputs) Refuse(name + " has " + std::to_string(made) + " outputs");
  std::vector<Output> kept;
  for (Handle& handle : owned) {
    const Region made_region = RegionOf(handle.get());
    int forwarded = -1;
    for (size_t at = 0; at < regions.size() && made_region.bytes > 0; at++) {
      const Region& region = regions[at];
      if (made_region.start < region.start || made_region.start >= region.start + region.bytes) continue;
      if (consumed[at]) {
        forwarded = static_cast<int>(at);
      } else {
        // TensorFlow's Slice, Split and others may return a part of their input's memory.
        Device& device = DeviceOf(handle.get());
        Handle own(device.Allocate(TFE_TensorHandleDataType(handle.get()), ShapeOf(handle.get())));
        device.Copy(device.RegionOf(own.get()), made_region.start);
        handle = std::move(own);
        forwarded = -1;
        break;
      }
    }
    kept.push_back({0, TFE_TensorHandleDataType(handle.get()), ShapeOf(handle.get()), forwarded});
  }
  for (size_t at = 0; at < owned.size(); at++) kept[at].id = Keep(owned[at].release());
  return kept;
}

void Context::Delete(TensorId id) {
  TFE_TensorHandle* handle = Find(id);
  tensors_.erase(id);
  device_->Leave(handle);
  TFE_DeleteTensorHandle(handle);
}

}  // namespace hayate
