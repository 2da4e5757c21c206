#include "cuda_driver_gpu.h"

#include "dynamic_library_gpu.h"
#include "failure.h"

namespace hayate::cuda {
namespace {

Driver FindAll() {
  const DynamicLibrary library({"libcuda.so.1"}, "the NVIDIA driver");
  Driver d{};
  library.Find("cuInit", &d.init);
  library.Find("cuDeviceGetCount", &d.device_count);
  library.Find("cuDeviceGet", &d.device_get);
  library.Find("cuDeviceGetAttribute", &d.device_attribute);
  library.Find("cuDevicePrimaryCtxRetain", &d.primary_context);
  library.Find("cuDevicePrimaryCtxRelease_v2", &d.release_context);
  library.Find("cuCtxSetCurrent", &d.set_context);
  library.Find("cuGetErrorString", &d.error_text);
  library.Find("cuCtxGetStreamPriorityRange", &d.priority_range);
  library.Find("cuStreamCreateWithPriority", &d.stream_create);
  library.Find("cuStreamDestroy_v2", &d.stream_destroy);
  library.Find("cuStreamWaitEvent", &d.stream_wait);
  library.Find("cuStreamSynchronize", &d.stream_synchronize);
  library.Find("cuStreamWaitValue32_v2", &d.wait_value);
  library.Find("cuStreamWriteValue32_v2", &d.write_value);
  library.Find("cuEventCreate", &d.event_create);
  library.Find("cuEventDestroy_v2", &d.event_destroy);
  library.Find("cuEventRecord", &d.event_record);
  library.Find("cuEventQuery", &d.event_query);
  library.Find("cuEventSynchronize", &d.event_synchronize);
  library.Find("cuEventElapsedTime", &d.event_elapsed);
  library.Find("cuMemcpyHtoDAsync_v2", &d.to_device);
  library.Find("cuMemcpyDtoHAsync_v2", &d.to_host);
  library.Find("cuMemcpyDtoDAsync_v2", &d.on_device);
  library.Find("cuMemsetD32Async", &d.fill);
  library.Find("cuMemAlloc_v2", &d.memory_allocate);
  library.Find("cuMemFree_v2", &d.memory_free);
  library.Find("cuDeviceTotalMem_v2", &d.device_memory);
  library.Find("cuMemGetAllocationGranularity", &d.granularity);
  library.Find("cuMemAddressReserve", &d.addresses_reserve);
  library.Find("cuMemAddressFree", &d.addresses_free);
  library.Find("cuMemCreate", &d.memory_create);
  library.Find("cuMemRelease", &d.memory_release);
  library.Find("cuMemMap", &d.memory_map);
  library.Find("cuMemUnmap", &d.memory_unmap);
  library.Find("cuMemSetAccess", &d.memory_access);
  library.Find("cuMemHostAlloc", &d.host_allocate);
  library.Find("cuMemFreeHost", &d.host_free);
  library.Find("cuMemHostRegister_v2", &d.host_register);
  library.Find("cuMemHostUnregister", &d.host_unregister);
  library.Find("cuMemHostGetDevicePointer_v2", &d.host_address);
  library.Find("cuModuleLoadData", &d.module_load);
  library.Find("cuModuleUnload", &d.module_unload);
  library.Find("cuModuleGetFunction", &d.module_function);
  library.Find("cuLaunchKernel", &d.launch);
  return d;
}

struct Compiler {
  const char* (*error_text)(int);
  int (*create)(void**, const char*, const char*, int, const char* const*, const char* const*);
  int (*destroy)(void**);
  int (*compile)(void*, int, const char* const*);
  int (*log_size)(void*, size_t*);
  int (*log)(void*, char*);
  int (*code_size)(void*, size_t*);
  int (*code)(void*, char*);
};

const Compiler& LoadCompiler() {
  static const Compiler compiler = [] {
    const DynamicLibrary library({"libnvrtc.so.12", "libnvrtc.so.13"}, "CUDA's run-time compiler (libnvrtc)");
    Compiler c{};
    library.Find("nvrtcGetErrorString", &c.error_text);
    library.Find("nvrtcCreateProgram", &c.create);
    library.Find("nvrtcDestroyProgram", &c.destroy);
    library.Find("nvrtcCompileProgram", &c.compile);
    library.Find("nvrtcGetProgramLogSize", &c.log_size);
    library.Find("nvrtcGetProgramLog", &c.log);
    library.Find("nvrtcGetCUBINSize", &c.code_size);
    library.Find("nvrtcGetCUBIN", &c.code);
    return c;
  }();
  return compiler;
}

}  // namespace

const Driver& Load() {
  static const Driver driver = FindAll();
  return driver;
}

void Check(Result result, const char* what) {
  if (result == kSuccess) return;
  const char* text = nullptr;
  Load().error_text(result, &text);
  const TF_Code code = result == 2 ? TF_RESOURCE_EXHAUSTED : TF_INTERNAL;  // CUDA_ERROR_OUT_OF_MEMORY
  throw Failure(code, std::string(what) + ": " + (text == nullptr ? "CUDA error " + std::to_string(result) : text));
}

std::string Compile(const char* source, int major, int minor) {
  const Compiler& nvrtc = LoadCompiler();
  void* program = nullptr;
  if (nvrtc.create(&program, source, "device_kernels.cu", 0, nullptr, nullptr) != 0) {
    throw Failure(TF_INTERNAL, "CUDA's run-time compiler cannot be used");
  }
  const std::string target = "--gpu-architecture=sm_" + std::to_string(major) + std::to_string(minor);
  const char* const options[] = {target.c_str(), "--fmad=false", "--std=c++17"};
  const int result = nvrtc.compile(program, 3, options);
  std::string text;
  size_t size = 0;
  if (result == 0) {
    nvrtc.code_size(program, &size);
    text.resize(size);
    nvrtc.code(program, text.data());
  } else {
    nvrtc.log_size(program, &size);
    text.resize(size);
    nvrtc.log(program, text.data());
  }
  nvrtc.destroy(&program);
  if (result == 0) return text;
  throw Failure(TF_INTERNAL, std::string("compiling for the GPU failed: ") + nvrtc.error_text(result) + "\n" + text);
}

}  // namespace hayate::cuda
