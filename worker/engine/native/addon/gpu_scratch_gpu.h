// Memory of a GPU for a while.
#pragma once

#include <string>
#include <utility>

#include "failure.h"
#include "tensorflow/core/framework/allocator.h"

namespace hayate {

// The allocator hands memory out in the order of the stream: it may go before kernels that use it have run.
class Scratch {
 public:
  Scratch(tensorflow::Allocator* allocator, size_t bytes)
      : allocator_(allocator), memory_(bytes == 0 ? nullptr : allocator->AllocateRaw(256, bytes)) {
    if (bytes > 0 && memory_ == nullptr) {
      throw Failure(TF_RESOURCE_EXHAUSTED, "no memory on the GPU for " + std::to_string(bytes) + " bytes");
    }
  }
  ~Scratch() {
    if (memory_ != nullptr) allocator_->DeallocateRaw(memory_);
  }
  Scratch(Scratch&& other) noexcept : allocator_(other.allocator_), memory_(std::exchange(other.memory_, nullptr)) {}
  void* memory() const { return memory_; }

 private:
  tensorflow::Allocator* const allocator_;
  void* memory_;
};

}  // namespace hayate
