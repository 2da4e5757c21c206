#include "context.h"

#include <cstring>
#include <limits>

#include "failure.h"
#include "op_signatures.h"

namespace hayate {
namespace {

class Status {
 public:
  ~Status() { TF_DeleteStatus(status_); }
  operator TF_Status*() { return status_; }
  bool ok() const { return TF_GetCode(status_) == TF_OK; }
  void Check(const std::string& op = "") const {
    if (!ok()) throw Failure(TF_GetCode(status_), TF_Message(status_), op);
  }

 private:
  TF_Status* const status_ = TF_NewStatus();
};

struct DeleteTensor {
  void operator()(TF_Tensor* tensor) const { TF_DeleteTensor(tensor); }
};
using Tensor = std::unique_ptr<TF_Tensor, DeleteTensor>;

struct DeleteHandle {
  void operator()(TFE_TensorHandle* handle) const { TFE_DeleteTensorHandle(handle); }
};
using Handle = std::unique_ptr<TFE_TensorHandle, DeleteHandle>;

struct DeleteOp {
  void operator()(TFE_Op* op) const { TFE_DeleteOp(op); }
};

size_t ElementsOf(const std::vector<int64_t>& shape) {
  if (shape.size() > 254) Refuse("a tensor has at most 254 axes");
  size_t elements = 1;
  for (const int64_t size : shape) {
    if (size < 0) Refuse("the size of an axis is negative");
    if (size != 0 && elements > (size_t{1} << 46) / static_cast<size_t>(size)) Refuse("the shape is too large");
    elements *= static_cast<size_t>(size);
  }
  return elements;
}

size_t ElementBytes(TF_DataType type) {
  switch (type) {
    case TF_FLOAT:
    case TF_INT32:
    case TF_BOOL:
    case TF_INT64:
    case TF_HALF:
    case TF_BFLOAT16:
      return TF_DataTypeSize(type);
    default:
      Refuse("this element type cannot be exchanged with the host");
  }
}

std::vector<int64_t> ShapeOf(TFE_TensorHandle* handle) {
  Status status;
  const int axes = TFE_TensorHandleNumDims(handle, status);
  status.Check();
  std::vector<int64_t> shape(axes);
  for (int axis = 0; axis < axes; axis++) {
    shape[axis] = TFE_TensorHandleDim(handle, axis, status);
    status.Check();
  }
  return shape;
}

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

Tensor NewTensor(TF_DataType type, const std::vector<int64_t>& shape) {
  const size_t bytes = ElementsOf(shape) * ElementBytes(type);
  Tensor tensor(TF_AllocateTensor(type, shape.data(), static_cast<int>(shape.size()), bytes));
  if (tensor == nullptr || (bytes > 0 && TF_TensorData(tensor.get()) == nullptr)) {
    throw Failure(TF_RESOURCE_EXHAUSTED, "no memory for " + std::to_string(bytes) + " bytes");
  }
  return tensor;
}

// A tensor with a copy of `bytes` bytes of `data`.
TFE_TensorHandle* HandleOf(TF_DataType type, const std::vector<int64_t>& shape, const void* data, size_t bytes) {
  const Tensor tensor = NewTensor(type, shape);
  if (bytes > 0) std::memcpy(TF_TensorData(tensor.get()), data, bytes);
  Status status;
  TFE_TensorHandle* handle = TFE_NewTensorHandle(tensor.get(), status);
  status.Check();
  return handle;
}

}  // namespace

Context::Context(const ContextOptions& options) : device_(options.device), threads_(options.threads) {
  Status status;
  TFE_ContextOptions* contextOptions = TFE_NewContextOptions();
  if (!options.config.empty()) {
    TFE_ContextOptionsSetConfig(contextOptions, options.config.data(), options.config.size(), status);
  }
  if (status.ok()) context_ = TFE_NewContext(contextOptions, status);
  TFE_DeleteContextOptions(contextOptions);
  status.Check();
}

Context::~Context() {
  for (const auto& [id, handle] : tensors_) TFE_DeleteTensorHandle(handle);
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

TensorId Context::Allocate(TF_DataType type, const std::vector<int64_t>& shape) {
  const Tensor tensor = NewTensor(type, shape);
  Status status;
  TFE_TensorHandle* handle = TFE_NewTensorHandle(tensor.get(), status);
  status.Check();
  return Keep(handle);
}

TensorId Context::Create(TF_DataType type, const std::vector<int64_t>& shape, const void* data, size_t bytes) {
  if (ElementsOf(shape) * ElementBytes(type) != bytes) Refuse("the data does not fill the shape");
  return Keep(HandleOf(type, shape, data, bytes));
}

TensorId Context::Alias(TensorId id, const std::vector<int64_t>& shape) {
  TFE_TensorHandle* handle = Find(id);
  Status status;
  const int64_t elements = TFE_TensorHandleNumElements(handle, status);
  status.Check();
  if (ElementsOf(shape) != static_cast<size_t>(elements)) Refuse("the shapes have not as many elements");
  const Tensor whole(TFE_TensorHandleResolve(handle, status));  // shares the memory of a tensor on the host
  status.Check();
  const Tensor view(TF_AllocateTensor(TF_FLOAT, nullptr, 0, sizeof(float)));
  const TF_DataType type = TF_TensorType(whole.get());
  TF_TensorBitcastFrom(whole.get(), type, view.get(), shape.data(), static_cast<int>(shape.size()), status);
  status.Check();
  TFE_TensorHandle* alias = TFE_NewTensorHandle(view.get(), status);
  status.Check();
  return Keep(alias);
}

void* Context::DataOf(TFE_TensorHandle* handle, size_t* bytes) const {
  Status status;
  const int64_t elements = TFE_TensorHandleNumElements(handle, status);
  status.Check();
  *bytes = static_cast<size_t>(elements) * ElementBytes(TFE_TensorHandleDataType(handle));
  void* data = TFE_TensorHandleDevicePointer(handle, status);
  status.Check();
  return data;
}

void* Context::Data(TensorId id, size_t* bytes) { return DataOf(Find(id), bytes); }

TF_DataType Context::Type(TensorId id) { return TFE_TensorHandleDataType(Find(id)); }

std::vector<int64_t> Context::Shape(TensorId id) { return ShapeOf(Find(id)); }

std::vector<Output> Context::Execute(const std::string& name, const std::vector<Attribute>& attributes,
                                     const std::vector<TensorId>& inputs, const std::vector<bool>& consumed,
                                     int outputs) {
  CheckCall(name, attributes, inputs.size());
  std::vector<TFE_TensorHandle*> handles;
  std::vector<Region> regions;
  for (size_t at = 0; at < inputs.size(); at++) {
    handles.push_back(Find(inputs[at]));
    size_t bytes = 0;
    const char* data = static_cast<const char*>(DataOf(handles.back(), &bytes));
    regions.push_back({data, bytes});
    for (size_t other = 0; other < at; other++) {
      if (inputs[other] == inputs[at] && (consumed[other] || consumed[at])) Refuse("a consumed input is used twice");
    }
  }
  Status status;
  const std::unique_ptr<TFE_Op, DeleteOp> op(TFE_NewOp(context_, name.c_str(), status));
  status.Check(name);
  if (!device_.empty()) {
    TFE_OpSetDevice(op.get(), device_.c_str(), status);
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
    size_t bytes = 0;
    const char* data = static_cast<const char*>(DataOf(handle.get(), &bytes));
    int forwarded = -1;
    for (size_t at = 0; at < regions.size() && bytes > 0; at++) {
      const Region& region = regions[at];
      if (data < region.start || data >= region.start + region.bytes) continue;
      if (consumed[at]) {
        forwarded = static_cast<int>(at);
      } else {
        // TensorFlow's Slice, Split and others may return a part of their input's memory.
        handle.reset(HandleOf(TFE_TensorHandleDataType(handle.get()), ShapeOf(handle.get()), data, bytes));
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
  TFE_DeleteTensorHandle(handle);
}

}  // namespace hayate
