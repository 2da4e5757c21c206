// Where TensorFlow's GPU is found.
#include "gpu_device_gpu.h"
#include "tsl/platform/tensor_float_32_utils.h"
#include "xla/stream_executor/stream.h"

namespace hayate {

namespace tf = tensorflow;

void ExpectGpu() {
  const cuda::Driver& driver = cuda::Load();
  int count = 0;
  cuda::Check(driver.init(0), "starting the NVIDIA driver");
  cuda::Check(driver.device_count(&count), "counting GPUs");
  if (count != 1) {
    throw Failure(TF_FAILED_PRECONDITION, std::to_string(count) + " GPUs are visible where there must be one");
  }
}

std::unique_ptr<Device> OpenGpu(TFE_Context* context, std::string* placement, Precision precision, size_t own_bytes) {
  const cuda::Driver& driver = cuda::Load();
  tf::EagerContext* const eager = tf::ContextFromInterface(tf::unwrap(context));
  tf::Device* device = nullptr;
  if (!eager->FindDeviceFromName(placement->c_str(), &device).ok()) {
    throw Failure(TF_FAILED_PRECONDITION, "TensorFlow cannot use the GPU");
  }
  tsl::enable_tensor_float_32_execution(precision.tf32);
  cuda::Device gpu = 0;
  cuda::Context cuda_context = nullptr;
  cuda::Check(driver.device_get(&gpu, 0), "opening the GPU");
  cuda::Check(driver.primary_context(&cuda_context, gpu), "opening the GPU");
  cuda::Check(driver.set_context(cuda_context), "opening the GPU");
  const auto stream = device->tensorflow_accelerator_device_info()->stream->platform_specific_handle().stream;
  OwnAllocator own;
  if (own_bytes > 0) {
    own.reset(new GpuAllocator(device->GetAllocator(tf::AllocatorAttributes()), driver, gpu, own_bytes));
  }
  return std::make_unique<GpuDevice>(eager, device, gpu, cuda_context, stream, precision, std::move(own));
}

}  // namespace hayate
