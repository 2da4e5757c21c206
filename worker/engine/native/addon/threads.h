// Threads that kernels of the host share. They start when first needed and live as long as the process.
#pragma once

#include <functional>

namespace hayate {

// Runs body(part) for every part of [0, parts), some of them on the calling thread, and returns when all are done.
// Callers on several threads may meet here; none waits for another's parts. `body` must not throw.
void InParallel(int parts, const std::function<void(int)>& body);

}  // namespace hayate
