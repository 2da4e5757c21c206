// As much of CUDA's C++ as the kernels need, for one block at a time: its threads take turns, in an order that changes from
// launch to launch and from barrier to barrier.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace emulated {

struct Index {
  unsigned x = 1, y = 1, z = 1;
};

struct Thread {
  ucontext_t context;
  std::vector<char> stack = std::vector<char>(32 << 10);
  Index index;
  unsigned number = 0;
  bool is_over = false;
};

inline Index grid, block, block_index;
inline Thread* current = nullptr;
inline ucontext_t scheduler;
inline std::function<void()> body;
inline std::mt19937 random_order(1);
inline float exchanged[1024];

inline void Begin() {
  body();
  current->is_over = true;
  swapcontext(&current->context, &scheduler);
}

// To the next barrier.
inline void Wait() { swapcontext(&current->context, &scheduler); }

inline void RunBlock(std::vector<Thread>& threads) {
  for (Thread& thread : threads) {
    thread.is_over = false;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, Begin, 0);
  }
  std::vector<Thread*> order;
  for (Thread& thread : threads) order.push_back(&thread);
  while (!order.empty()) {
    std::shuffle(order.begin(), order.end(), random_order);
    for (Thread* const thread : order) {
      current = thread;
      swapcontext(&scheduler, &thread->context);
    }
    const size_t before = order.size();
    order.erase(std::remove_if(order.begin(), order.end(), [](const Thread* t) { return t->is_over; }), order.end());
    if (!order.empty() && order.size() != before) throw std::runtime_error("threads have ended beside others at a barrier");
  }
}

// Runs `kernel` once a thread.
inline void Launch(Index blocks, Index threads, std::function<void()> kernel) {
  static std::vector<Thread> all(1024);
  grid = blocks, block = threads, body = std::move(kernel);
  all.resize(threads.x * threads.y);
  for (unsigned at = 0; at < all.size(); at++) {
    all[at].index = {at % threads.x, at / threads.x, 0};
    all[at].number = at;
  }
  for (unsigned at = 0; at < blocks.x * blocks.y; at++) {
    block_index = {at % blocks.x, at / blocks.x, 0};
    RunBlock(all);
  }
}

// A launch has the address of each argument, whose value is the one at that time.
using Kernel = std::function<std::function<void()>(void**)>;
template <typename... Types, size_t... At>
std::function<void()> Bound(void (*kernel)(Types...), void** arguments, std::index_sequence<At...>) {
  return [kernel, values = std::make_tuple(*static_cast<std::remove_const_t<Types>*>(arguments[At])...)] {
    std::apply(kernel, values);
  };
}
template <typename... Types>
Kernel KernelOf(void (*kernel)(Types...)) {
  return [kernel](void** arguments) { return Bound(kernel, arguments, std::index_sequence_for<Types...>()); };
}

}  // namespace emulated

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define gridDim emulated::grid
#define blockDim emulated::block
#define blockIdx emulated::block_index
#define threadIdx emulated::current->index

namespace device {

using std::max;
using std::min;

struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) ushort4 {
  unsigned short x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline ushort4 make_ushort4(unsigned short x, unsigned short y, unsigned short z, unsigned short w) {
  return {x, y, z, w};
}
inline float __int_as_float(unsigned bits) {
  float number;
  std::memcpy(&number, &bits, sizeof(number));
  return number;
}
inline void __syncthreads() { emulated::Wait(); }
// Threads of a warp are in step: all come here.
inline float __shfl_down_sync(unsigned, float value, unsigned away) {
  const unsigned own = emulated::current->number;
  emulated::exchanged[own] = value;
  emulated::Wait();
  const float other = own % 32 + away < 32 ? emulated::exchanged[own + away] : value;
  emulated::Wait();
  return other;
}
inline float __shfl_xor_sync(unsigned, float value, unsigned mask) {
  const unsigned own = emulated::current->number;
  emulated::exchanged[own] = value;
  emulated::Wait();
  const float other = emulated::exchanged[own ^ mask];
  emulated::Wait();
  return other;
}

}  // namespace device
