// Libraries that are found when the program runs.
#pragma once

#include <dlfcn.h>

#include <string>
#include <vector>

#include "failure.h"

namespace hayate {

// `what` names the library for people.
class DynamicLibrary {
 public:
  // The first of `names` that is there. Throws Failure FAILED_PRECONDITION where none is.
  DynamicLibrary(const std::vector<const char*>& names, const char* what) : what_(what) {
    for (const char* const name : names) {
      library_ = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
      if (library_ != nullptr) return;
    }
    throw Failure(TF_FAILED_PRECONDITION, std::string(what) + " cannot be loaded: " + dlerror());
  }

  template <typename F>
  void Find(const char* name, F* function) const {
    *function = reinterpret_cast<F>(dlsym(library_, name));
    if (*function == nullptr) throw Failure(TF_FAILED_PRECONDITION, std::string(what_) + " lacks " + name);
  }

 private:
  void* library_ = nullptr;
  const char* const what_;
};

}  // namespace hayate
