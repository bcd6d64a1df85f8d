// The tables of a program for GPUs: modules of device code, memory, and entries, each a list of
// launches whose sizes are all known. There is no code of its own for the host.
#pragma once

#include <cstdint>

#include "runtime/argent_abi.h"

namespace ag::rt {

// Device code: PTX, which the driver compiles when it is loaded, ends with a zero byte; a cubin
// is for one level of devices.
struct CudaModuleRecord {
  const void* data;
  uint64_t bytes;
};

// Where a kernel's argument points.
enum CudaStorage : uint32_t {
  kCudaArena,   // of the instance: intermediate values and scratch
  kCudaState,   // of the instance
  kCudaShared,  // of the program: weights and constants
  kCudaSlot,    // the caller's tensor `slot`, inputs first, then outputs
};

struct CudaArgumentRecord {
  uint64_t offset;  // bytes
  uint32_t storage;
  uint32_t slot;
};

struct CudaLaunchRecord {
  const char* function;
  const CudaArgumentRecord* arguments;
  uint32_t argument_count;
  uint32_t module;
  uint32_t blocks[3], threads[3];
  uint32_t shared_bytes;  // dynamic
  uint32_t step;          // of the entry
};

// An input or output. One in host memory is copied through the arena, at `staging`.
struct CudaSlotRecord {
  const char* name;
  uint64_t bytes;
  uint64_t staging;
};

struct CudaEntryRecord {
  const char* name;
  const CudaSlotRecord* slots;
  const CudaLaunchRecord* launches;
  uint32_t input_count, output_count;
  uint32_t launch_count;
  uint32_t step_count;
};

struct CudaImage {
  const char* name;
  const CudaModuleRecord* modules;
  const CudaEntryRecord* entries;
  const uint8_t* state;   // initial bytes
  const uint8_t* shared;  // weights and constants
  uint64_t arena_bytes, state_bytes, shared_bytes;
  uint32_t module_count, entry_count;
  uint32_t capability;  // lowest that devices may have: 80 for sm_80
};

inline constexpr uint32_t kCudaMostArguments = 64;
inline constexpr uint32_t kCudaMostSlots = 256;

}  // namespace ag::rt
