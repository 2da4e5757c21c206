// Tensors and ops of one TensorFlow eager context, by numeric ids. No JavaScript here; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/eager/c_api.h"
#include "tensorflow/c/eager/c_api_experimental.h"

namespace hayate {

using TensorId = int64_t;

struct TypeValue {
  TF_DataType type;
};

struct Attribute {
  std::string name;
  std::variant<int64_t, float, bool, TypeValue, std::string, std::vector<int64_t>> value;
};

struct ContextOptions {
  // Serialized tensorflow.ConfigProto; may be empty.
  std::string config;
  // Where ops are placed, e.g. "/device:CPU:0"; empty leaves it to TensorFlow.
  std::string device;
  // Threads that kernels of our own may use.
  int threads = 1;
};

struct Output {
  TensorId id;
  TF_DataType type;
  std::vector<int64_t> shape;
  // Index of the consumed input whose memory this output took over, or -1.
  int forwarded;
};

class Context {
 public:
  explicit Context(const ContextOptions& options);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // A new tensor with a copy of `bytes` bytes of `data`.
  TensorId Create(TF_DataType type, const std::vector<int64_t>& shape, const void* data, size_t bytes);

  // A new tensor with undefined contents.
  TensorId Allocate(TF_DataType type, const std::vector<int64_t>& shape);

  // The same memory under another shape of as many elements.
  TensorId Alias(TensorId id, const std::vector<int64_t>& shape);

  // Runs one op. Inputs at positions in `consumed` are released before it runs, so that it may write into their
  // memory; they are gone whether or not it succeeds. Every output has memory of its own.
  std::vector<Output> Execute(const std::string& op, const std::vector<Attribute>& attributes,
                              const std::vector<TensorId>& inputs, const std::vector<bool>& consumed, int outputs);

  void Delete(TensorId id);

  // Host address of a tensor's memory and its size.
  void* Data(TensorId id, size_t* bytes);
  TF_DataType Type(TensorId id);
  std::vector<int64_t> Shape(TensorId id);
  int threads() const { return threads_; }
  size_t Count() const { return tensors_.size(); }

 private:
  struct Region {
    const char* start;
    size_t bytes;
  };

  TFE_TensorHandle* Find(TensorId id) const;
  TensorId Keep(TFE_TensorHandle* handle);
  void* DataOf(TFE_TensorHandle* handle, size_t* bytes) const;

  TFE_Context* context_ = nullptr;
  std::string device_;
  int threads_;
  std::unordered_map<TensorId, TFE_TensorHandle*> tensors_;
  TensorId next_ = 1;
};

}  // namespace hayate
