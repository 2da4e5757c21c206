// What Node loads: starts TensorFlow's libraries, then the engine. They talk about their start on stderr, where a
// worker's log goes, before anybody can ask them not to; that much is left out here, and nothing else.
#include <dlfcn.h>
#include <fcntl.h>
#include <node_api.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace {

constexpr int kErrors = 2;  // absl::LogSeverityAtLeast::kError

// Catches what the process writes on stderr during its life, and writes it there at its end without TensorFlow's greetings.
class HeldStderr {
 public:
  HeldStderr() : real_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)), held_(memfd_create("stderr", MFD_CLOEXEC)) {
    if (real_ >= 0 && held_ >= 0) dup2(held_, STDERR_FILENO);
  }

  ~HeldStderr() {
    if (real_ >= 0 && held_ >= 0) {
      dup2(real_, STDERR_FILENO);
      Replay();
    }
    if (held_ >= 0) close(held_);
    if (real_ >= 0) close(real_);
  }

 private:
  void Replay() const {
    std::string text(static_cast<size_t>(lseek(held_, 0, SEEK_CUR)), '\0');
    if (pread(held_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) return;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
      const std::string line = text.substr(at, end - at);
      at = end;
      const bool greeting = line.find("absl::InitializeLog()") != std::string::npos ||
                            line.find("oneDNN custom operations are on") != std::string::npos;
      if (!greeting && write(STDERR_FILENO, line.data(), line.size()) < 0) return;
    }
  }

  const int real_;
  const int held_;
};

void StartTensorFlow() {
  setenv("TF_CPP_MIN_LOG_LEVEL", "2", 0);
  // On some processors oneDNN's kernels are off unless asked for; convolutions then take several times as long.
  setenv("TF_ENABLE_ONEDNN_OPTS", "1", 0);
  // Each context has threads of its own, as many as it asks for, and not those of the first one of the process.
  setenv("TF_OVERRIDE_GLOBAL_THREADPOOL", "1", 0);
  const HeldStderr held;
  void* const framework = dlopen("libtensorflow_framework.so.2", RTLD_NOW | RTLD_LOCAL);
  if (framework == nullptr) return;  // loading the engine fails for the same reason and tells it
  // absl::SetMinLogLevel of the Abseil that TensorFlow 2.21 is built with.
  void* const set_level = dlsym(framework, "_ZN4absl12lts_2025081414SetMinLogLevelENS0_18LogSeverityAtLeastE");
  if (set_level != nullptr) reinterpret_cast<void (*)(int)>(set_level)(kErrors);
}

}  // namespace

NAPI_MODULE_INIT() {
  StartTensorFlow();
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
