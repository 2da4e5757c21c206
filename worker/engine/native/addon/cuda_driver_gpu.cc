#include "cuda_driver_gpu.h"

#include <dlfcn.h>

#include <vector>

#include "failure.h"

namespace hayate::cuda {
namespace {

void* Open(const std::vector<const char*>& names, const char* what) {
  for (const char* const name : names) {
    void* const library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    if (library != nullptr) return library;
  }
  throw Failure(TF_FAILED_PRECONDITION, std::string(what) + " cannot be loaded: " + dlerror());
}

template <typename F>
void Find(void* library, const char* name, F* function) {
  *function = reinterpret_cast<F>(dlsym(library, name));
  if (*function == nullptr) throw Failure(TF_FAILED_PRECONDITION, std::string("the NVIDIA driver lacks ") + name);
}

Driver FindAll() {
  void* const library = Open({"libcuda.so.1"}, "the NVIDIA driver");
  Driver d{};
  Find(library, "cuInit", &d.init);
  Find(library, "cuDeviceGetCount", &d.device_count);
  Find(library, "cuDeviceGet", &d.device_get);
  Find(library, "cuDeviceGetAttribute", &d.device_attribute);
  Find(library, "cuDevicePrimaryCtxRetain", &d.primary_context);
  Find(library, "cuDevicePrimaryCtxRelease_v2", &d.release_context);
  Find(library, "cuCtxSetCurrent", &d.set_context);
  Find(library, "cuGetErrorString", &d.error_text);
  Find(library, "cuStreamCreate", &d.stream_create);
  Find(library, "cuStreamDestroy_v2", &d.stream_destroy);
  Find(library, "cuStreamWaitEvent", &d.stream_wait);
  Find(library, "cuStreamSynchronize", &d.stream_synchronize);
  Find(library, "cuEventCreate", &d.event_create);
  Find(library, "cuEventDestroy_v2", &d.event_destroy);
  Find(library, "cuEventRecord", &d.event_record);
  Find(library, "cuEventQuery", &d.event_query);
  Find(library, "cuEventSynchronize", &d.event_synchronize);
  Find(library, "cuEventElapsedTime", &d.event_elapsed);
  Find(library, "cuMemcpyHtoDAsync_v2", &d.to_device);
  Find(library, "cuMemcpyDtoHAsync_v2", &d.to_host);
  Find(library, "cuMemcpyDtoDAsync_v2", &d.on_device);
  Find(library, "cuMemAlloc_v2", &d.memory_allocate);
  Find(library, "cuMemFree_v2", &d.memory_free);
  Find(library, "cuMemHostAlloc", &d.host_allocate);
  Find(library, "cuMemFreeHost", &d.host_free);
  Find(library, "cuMemHostRegister_v2", &d.host_register);
  Find(library, "cuMemHostUnregister", &d.host_unregister);
  Find(library, "cuMemHostGetDevicePointer_v2", &d.host_address);
  Find(library, "cuModuleLoadData", &d.module_load);
  Find(library, "cuModuleUnload", &d.module_unload);
  Find(library, "cuModuleGetFunction", &d.module_function);
  Find(library, "cuLaunchKernel", &d.launch);
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
    void* const library = Open({"libnvrtc.so.12", "libnvrtc.so.13"}, "CUDA's run-time compiler (libnvrtc)");
    Compiler c{};
    Find(library, "nvrtcGetErrorString", &c.error_text);
    Find(library, "nvrtcCreateProgram", &c.create);
    Find(library, "nvrtcDestroyProgram", &c.destroy);
    Find(library, "nvrtcCompileProgram", &c.compile);
    Find(library, "nvrtcGetProgramLogSize", &c.log_size);
    Find(library, "nvrtcGetProgramLog", &c.log);
    Find(library, "nvrtcGetCUBINSize", &c.code_size);
    Find(library, "nvrtcGetCUBIN", &c.code);
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
