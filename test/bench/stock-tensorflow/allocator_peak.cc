// An op that tells what the allocator of its device holds and has held at most: TensorFlow.js has no way to ask.
#include "tensorflow/core/framework/allocator.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace {

// The allocator hands out multiples of so many bytes; counted in them, sizes fit into the int32 of TensorFlow.js.
constexpr int64_t kUnit = 256;

// Returns [bytes in use, bytes at the peak] / kUnit, -1 where the allocator does not count; then forgets the peak.
class AllocatorPeak : public tensorflow::OpKernel {
 public:
  explicit AllocatorPeak(tensorflow::OpKernelConstruction* context) : OpKernel(context) {}

  void Compute(tensorflow::OpKernelContext* context) override {
    tensorflow::Tensor* told = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, tensorflow::TensorShape({2}), &told));
    tensorflow::Allocator* const allocator = context->device()->GetAllocator(tensorflow::AllocatorAttributes());
    const auto stats = allocator->GetStats();
    auto numbers = told->vec<int32_t>();
    numbers(0) = stats ? static_cast<int32_t>(stats->bytes_in_use / kUnit) : -1;
    numbers(1) = stats ? static_cast<int32_t>(stats->peak_bytes_in_use / kUnit) : -1;
    allocator->ClearStats();
  }
};

REGISTER_OP("HayateBenchAllocatorPeak")
    .Output("units: int32")
    .SetIsStateful()
    .SetShapeFn(tensorflow::shape_inference::UnknownShape);
REGISTER_KERNEL_BUILDER(Name("HayateBenchAllocatorPeak").Device("CPU"), AllocatorPeak);
REGISTER_KERNEL_BUILDER(Name("HayateBenchAllocatorPeak").Device("GPU").HostMemory("units"), AllocatorPeak);

}  // namespace
