// The tables of a program for GPUs: modules of device code, memory, and entries, each a list of
// launches whose sizes are all known. There is no code of its own for the host. codegen/link writes
// them; layout changes here are mirrored in codegen/link/cuda_tables.cpp.
#pragma once

#include <cstdint>

#include "runtime/argent_abi.h"

namespace ag::rt {

// One form of a module. PTX, which ends with a zero byte, the driver compiles for any device from
// the image's capability on; a cubin is for one level of devices, and later ones of its generation.
struct CudaCodeRecord {
  const void* data;
  uint64_t bytes;
  uint32_t capability;  // 80: a cubin for sm_80; 0: PTX
  uint32_t reserved;
};

// The forms of a module, best first; the last is PTX.
struct CudaModuleRecord {
  const CudaCodeRecord* codes;
  uint64_t code_count;
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
  uint64_t staging;  // kCudaUnused: no kernel touches it
  uint32_t step;     // of the entry: its copy
  uint32_t reserved;
};

struct CudaEntryRecord {
  const char* name;
  const CudaSlotRecord* slots;
  const CudaLaunchRecord* launches;
  uint64_t arena_bytes;
  uint32_t input_count, output_count;
  uint32_t launch_count;
  uint32_t step_count;
};

// First contents of shared memory from `offset` on.
struct CudaFillRecord {
  const uint8_t* data;
  uint64_t bytes;
  uint64_t offset;
};

// Where a parameter or state is stored, by rows; parallel to argent_library::tensors.
struct CudaTensorRecord {
  uint64_t offset;
  uint32_t storage;
  uint32_t reserved;
};

inline constexpr uint32_t kCudaImageVersion = 1;
inline constexpr uint64_t kCudaUnused = ~uint64_t{0};

// Starts with what the outside sees.
struct CudaImage {
  argent_library description;
  uint32_t image_version;
  uint32_t capability;  // lowest that devices may have: 80 for sm_80
  const CudaModuleRecord* modules;
  const CudaEntryRecord* entries;  // as many as the description has
  const CudaEntryRecord* prepare;  // fills shared memory from weights; null: nothing to prepare
  const CudaFillRecord* fills;
  const CudaTensorRecord* tensors;
  const uint8_t* state;  // initial bytes; null: zeros
  uint64_t state_bytes, shared_bytes;
  uint32_t module_count, fill_count;
};

// The images of a library that was compiled for several levels of devices, plainest first.
struct CudaLevelTable {
  const CudaImage* const* images;
  uint64_t count;
};

inline constexpr uint32_t kCudaMostArguments = 256;
inline constexpr uint32_t kCudaMostSlots = 256;
// Kernels read and write four elements at a time.
inline constexpr uint64_t kCudaAlignment = 16;

}  // namespace ag::rt

extern "C" {
// The highest level that the chosen device has; the plainest, which then refuses to open, when it
// has none of them or there is no device.
const argent_library* argent_cuda_choose(const ag::rt::CudaLevelTable* levels);
// What driver modules point to, beside argent_rt_profile, _step_times, _message and _trace.
argent_network* argent_cuda_open(const argent_library* library, argent_error* error);
argent_network* argent_cuda_open_device(const argent_library* library, uint32_t device,
                                        argent_error* error);
int argent_cuda_close(argent_network* network);
argent_instance* argent_cuda_create(argent_network* network, uint32_t threads, argent_error* error);
int argent_cuda_destroy(argent_instance* instance);
int argent_cuda_run(argent_instance* instance, uint32_t entry, const argent_tensor* inputs,
                    uint32_t input_count, const argent_tensor* outputs, uint32_t output_count);
int argent_cuda_get(argent_instance* instance, const char* name, const argent_tensor* destination);
int argent_cuda_set(argent_instance* instance, const char* name, const argent_tensor* source);
int argent_cuda_prepare(argent_instance* instance);
int argent_cuda_set_threads(argent_instance* instance, uint32_t threads);
int argent_cuda_set_stream(argent_instance* instance, void* stream);
}
