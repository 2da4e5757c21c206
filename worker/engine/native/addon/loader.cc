// What Node loads. TensorFlow tells about its start on stderr, where a worker's log goes, while its libraries are
// loaded; so they come one by one, each after it was told to report errors alone.
#include <dlfcn.h>
#include <node_api.h>

#include <cstdlib>
#include <string>

constexpr int kErrors = 2;  // absl::LogSeverityAtLeast::kError

NAPI_MODULE_INIT() {
  setenv("TF_CPP_MIN_LOG_LEVEL", "2", 0);
  if (void* const framework = dlopen("libtensorflow_framework.so.2", RTLD_NOW | RTLD_LOCAL)) {
    // absl::SetMinLogLevel of the Abseil that TensorFlow 2.21 is built with; without it, there is a line more to read.
    const auto set_level = dlsym(framework, "_ZN4absl12lts_2025081414SetMinLogLevelENS0_18LogSeverityAtLeastE");
    if (set_level != nullptr) reinterpret_cast<void (*)(int)>(set_level)(kErrors);
  }
  Dl_info self{};
  dladdr(reinterpret_cast<void*>(&napi_register_module_v1), &self);
  const std::string file = self.dli_fname;
  const std::string engine = file.substr(0, file.rfind('/') + 1) + "engine.so";
  void* const library = dlopen(engine.c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto start =
      library == nullptr ? nullptr : reinterpret_cast<napi_addon_register_func>(dlsym(library, "HayateEngine"));
  if (start == nullptr) {
    napi_throw_error(env, "NOT_FOUND", dlerror());
    return nullptr;
  }
  return start(env, exports);
}
