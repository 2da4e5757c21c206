// Memory of a GPU that convolutions are lent.
#pragma once

#include <cstddef>
#include <functional>

namespace hayate {

// Memory for a while; nullptr where there is none. The second gives it back.
struct Workspaces {
  std::function<void*(size_t)> take;
  std::function<void(void*)> give;
};

// Some of it, given back when this goes. `from` must stay that long.
class Workspace {
 public:
  Workspace(const Workspaces& from, size_t bytes)
      : from_(from), bytes_(bytes), memory_(bytes == 0 ? nullptr : from.take(bytes)) {}
  ~Workspace() {
    if (memory_ != nullptr) from_.give(memory_);
  }
  Workspace(const Workspace&) = delete;

  void* memory() const { return memory_; }
  // False where there was too little.
  bool IsThere() const { return bytes_ == 0 || memory_ != nullptr; }

 private:
  const Workspaces& from_;
  const size_t bytes_;
  void* const memory_;
};

}  // namespace hayate
