// As much of the CUDA driver and of its run-time compiler as the engine needs, found when the first GPU is opened: the
// addon is built without a CUDA toolkit, and loads on machines without a driver.
#pragma once

#include <cstddef>
#include <string>

namespace hayate::cuda {

using Result = int;
using Device = int;
using Context = void*;
using Stream = void*;
using Event = void*;
using Module = void*;
using Function = void*;
using Pointer = unsigned long long;

inline constexpr int kSuccess = 0;
inline constexpr int kNotReady = 600;
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr unsigned kEventBlockingSync = 1;
inline constexpr unsigned kEventDisableTiming = 2;
inline constexpr unsigned kHostPortable = 1;
inline constexpr unsigned kHostMapped = 2;
inline constexpr unsigned kWaitAtLeast = 0;
inline constexpr int kMajor = 75, kMinor = 76, kProcessors = 16, kMapsMemory = 102;
inline constexpr int kOnDevice = 1;
inline constexpr int kReadWrite = 3;

using Memory = unsigned long long;  // without an address
struct Place {
  int type, device;
};
// CUmemAllocationProp
struct MemoryKind {
  int pinned, shareable;
  Place place;
  void* windows;
  unsigned char flags[8];
};
static_assert(sizeof(MemoryKind) == 32);
// CUmemAccessDesc
struct Access {
  Place place;
  int rights;
};

struct Driver {
  Result (*init)(unsigned);
  Result (*device_count)(int*);
  Result (*device_get)(Device*, int);
  Result (*device_attribute)(int*, int, Device);
  Result (*primary_context)(Context*, Device);
  Result (*release_context)(Device);
  Result (*set_context)(Context);
  Result (*error_text)(Result, const char**);
  Result (*priority_range)(int*, int*);
  Result (*stream_create)(Stream*, unsigned, int);
  Result (*stream_destroy)(Stream);
  Result (*stream_wait)(Stream, Event, unsigned);
  Result (*stream_synchronize)(Stream);
  Result (*wait_value)(Stream, Pointer, unsigned, unsigned);
  Result (*write_value)(Stream, Pointer, unsigned, unsigned);
  Result (*event_create)(Event*, unsigned);
  Result (*event_destroy)(Event);
  Result (*event_record)(Event, Stream);
  Result (*event_query)(Event);
  Result (*event_synchronize)(Event);
  Result (*event_elapsed)(float*, Event, Event);
  Result (*to_device)(Pointer, const void*, size_t, Stream);
  Result (*to_host)(void*, Pointer, size_t, Stream);
  Result (*on_device)(Pointer, Pointer, size_t, Stream);
  Result (*fill)(Pointer, unsigned, size_t, Stream);  // with as many words of 32 bits
  Result (*memory_allocate)(Pointer*, size_t);
  Result (*memory_free)(Pointer);
  Result (*device_memory)(size_t*, Device);
  Result (*granularity)(size_t*, const MemoryKind*, int);
  Result (*addresses_reserve)(Pointer*, size_t, size_t, Pointer, unsigned long long);
  Result (*addresses_free)(Pointer, size_t);
  Result (*memory_create)(Memory*, size_t, const MemoryKind*, unsigned long long);
  Result (*memory_release)(Memory);
  Result (*memory_map)(Pointer, size_t, size_t, Memory, unsigned long long);
  Result (*memory_unmap)(Pointer, size_t);
  Result (*memory_access)(Pointer, size_t, const Access*, size_t);
  Result (*host_allocate)(void**, size_t, unsigned);
  Result (*host_free)(void*);
  Result (*host_register)(void*, size_t, unsigned);
  Result (*host_unregister)(void*);
  Result (*host_address)(Pointer*, void*, unsigned);
  Result (*module_load)(Module*, const void*);
  Result (*module_unload)(Module);
  Result (*module_function)(Function*, Module, const char*);
  Result (*launch)(Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Stream, void**,
                   void**);
};

// Throws Failure FAILED_PRECONDITION where there is no driver.
const Driver& Load();

// Throws Failure when `result` is an error; `what` is what was tried.
void Check(Result result, const char* what);

// Machine code of `source` for a GPU of this capability. Throws Failure with the compiler's words.
std::string Compile(const char* source, int major, int minor);

}  // namespace hayate::cuda
