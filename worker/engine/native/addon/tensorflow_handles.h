// Owners of what TensorFlow's C API gives out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "failure.h"
#include "tensorflow/c/c_api.h"
#include "tensorflow/c/eager/c_api.h"

namespace hayate {

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

size_t ElementsOf(const std::vector<int64_t>& shape);
// Refuses element types that have no place in a typed array.
size_t ElementBytes(TF_DataType type);
std::vector<int64_t> ShapeOf(TFE_TensorHandle* handle);
size_t BytesOf(TFE_TensorHandle* handle);

}  // namespace hayate
