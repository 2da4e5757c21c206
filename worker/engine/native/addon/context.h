// Tensors and ops of one TensorFlow eager context, by numeric ids. No JavaScript here; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "device.h"
#include "tensorflow/c/c_api.h"
#include "tensorflow/c/eager/c_api.h"

namespace hayate {

using TensorId = int64_t;

struct TypeValue {
  TF_DataType type;
};

struct Attribute {
  std::string name;
  std::variant<int64_t, float, bool, TypeValue, std::string, std::vector<int64_t>> value;
};

void SetAttribute(TFE_Op* op, const Attribute& attribute);

struct ContextOptions {
  // Serialized tensorflow.ConfigProto; may be empty.
  std::string config;
  // Where ops are placed and tensors live: a device's whole name, CPU or GPU; empty is the CPU, ops left to TensorFlow.
  std::string device;
  // Threads that kernels of our own may use on the CPU.
  int threads = 1;
  // Of products on a GPU.
  Precision precision{false, false};
  // Of a GPU: see OpenGpu.
  size_t own_bytes = 0;
};

struct Output {
  TensorId id;
  TF_DataType type;
  std::vector<int64_t> shape;
  // Index of the consumed input whose memory this output took over, or -1.
  int forwarded;
};

class BatchSplit;

class Context {
 public:
  explicit Context(const ContextOptions& options);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // A new tensor with a copy of `bytes` bytes of `data`; on the host where ops want an argument there, else on the
  // context's device.
  TensorId Create(TF_DataType type, const std::vector<int64_t>& shape, const void* data, size_t bytes, bool on_host);

  // A new tensor with undefined contents.
  TensorId Allocate(TF_DataType type, const std::vector<int64_t>& shape);

  // New float32 tensors of `length` numbers each, whose memory goes with the last of them.
  std::vector<TensorId> AllocateTogether(int64_t length, size_t count);

  // The same memory under another shape of as many elements.
  TensorId Alias(TensorId id, const std::vector<int64_t>& shape);

  // Runs one op. Inputs at positions in `consumed` are released before it runs, so that it may write into their
  // memory; they are gone whether or not it succeeds. Every output has memory of its own.
  std::vector<Output> Execute(const std::string& op, const std::vector<Attribute>& attributes,
                              const std::vector<TensorId>& inputs, const std::vector<bool>& consumed, int outputs);

  void Delete(TensorId id);

  // Its memory is the device's; TensorFlow leaves some integers on the host.
  bool IsHere(TensorId id) const { return device_->IsHere(Find(id)); }
  // A tensor's memory.
  Region Memory(TensorId id) const { return RegionOf(Find(id)); }
  // Copies a tensor's bytes to the host, and waits for them.
  void Read(TensorId id, void* to) const;
  // `bytes` of a tensor's, behind the first `skipped`, for the host.
  struct Sent {
    TensorId tensor;
    size_t skipped, bytes;
    void* to;
  };
  // See Device::Send. The tensors have as many.
  Device::Tickets Send(const std::vector<Sent>& parts) const;
  // Bytes will come there, behind the first `skipped`; see Device::Expect. The tensor has as many.
  Ticket Expect(TensorId id, size_t skipped, size_t bytes, bool is_vacant) const;
  // Keeps a convolution's sizes; returns their number.
  size_t Prepare(const Convolution& convolution);
  const Convolution& Prepared(size_t number) const;
  TF_DataType Type(TensorId id) const;
  std::vector<int64_t> Shape(TensorId id) const;
  size_t Count() const { return tensors_.size(); }
  Device& device() const { return *device_; }

 private:
  TFE_TensorHandle* Find(TensorId id) const;
  TensorId Keep(TFE_TensorHandle* handle);
  // The device that a handle's memory is on.
  Device& DeviceOf(TFE_TensorHandle* handle) const;
  Region RegionOf(TFE_TensorHandle* handle) const { return device_->RegionOf(handle); }

  TFE_Context* context_ = nullptr;
  std::string placement_;
  std::unique_ptr<Device> host_;
  std::unique_ptr<Device> gpu_;
  Device* device_ = nullptr;
  std::unique_ptr<BatchSplit> split_;
  std::vector<Convolution> convolutions_;
  std::unordered_map<TensorId, TFE_TensorHandle*> tensors_;
  TensorId next_ = 1;
};

}  // namespace hayate
