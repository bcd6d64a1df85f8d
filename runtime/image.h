// The tables of a compiled program, as codegen/link writes them into the driver module and the
// runtime reads them. Layout changes here are mirrored in codegen/link/image_tables.cpp.
#pragma once

#include "runtime/argent_abi.h"
#include "runtime/halide_abi.h"

namespace ag::rt {

struct Worker;
struct Profile;

// Where a buffer's bytes are; the same numbers as plan::Storage.
enum Storage : uint32_t {
  kArena,
  kInput,
  kOutput,
  kState,
  kParameter,
  kPrepared,
  kConstant,
  kStorageCount,
};

// A halide_buffer_t of an instance, before its storage has an address.
struct BufferRecord {
  int64_t offset;            // bytes from the start of the storage
  halide_dimension_t* dims;  // read-only in fact: kernels are compiled without bounds queries
  halide_type_t type;
  int32_t dimensions;
  uint32_t storage;
  uint32_t reserved;
};

// A buffer that the caller binds in each call: argument `slot`, inputs first, then outputs.
struct BindingRecord {
  uint32_t buffer;
  uint32_t slot;
};

// Calls the entry's kernels in order. Returns 0, or 1 + the index of the step that failed.
// `profile` is null unless the instance is being profiled.
using EntryFunction = int32_t (*)(Worker* caller, halide_buffer_t* buffers, Profile* profile);

struct EntryRecord {
  EntryFunction run;
  const BindingRecord* bindings;
  uint64_t arena_bytes;
  uint64_t scratch_bytes;  // per thread
  uint32_t binding_count;
  uint32_t one_thread;  // 1: so little work that other threads would come too late
};

// Element (i0, i1, …) of a stored tensor lies Σ ((i[axis] / divisor) % modulus) · stride bytes
// behind the tensor's first.
struct LayoutTerm {
  int64_t divisor;
  int64_t modulus;
  int64_t stride;
  int32_t axis;
  int32_t reserved;
};

// Where a parameter or state tensor is stored; parallel to argent_library::tensors.
struct TensorRecord {
  int64_t offset;
  const LayoutTerm* terms;
  uint32_t term_count;  // 0: row-major and dense
  uint32_t storage;
};

// A strided box of elements, relative to a buffer's element (0, …, 0).
struct BoxRecord {
  int64_t offset;  // bytes
  const halide_dimension_t* dims;
  int64_t dimensions;
};

// Initial bytes of a storage.
struct BlobRecord {
  const uint8_t* data;  // null when there are none
  uint64_t bytes;
};

inline constexpr uint32_t kImageVersion = 2;

// Starts with what the outside sees.
struct Image {
  argent_library description;
  uint32_t image_version;
  uint32_t cpu_features;  // runtime/cpu.h
  const EntryRecord* entries;
  const EntryRecord* prepare;  // null when nothing is prepared, or it was when compiled
  const argent_step_info* prepare_steps;
  const BufferRecord* buffers;
  const TensorRecord* tensors;
  uint64_t buffer_count;
  uint32_t reserved;
  uint32_t weights_fixed;  // 1: prepared when compiled, argent_set on parameters is refused
  BlobRecord state, parameters, constants, prepared;
};

// The images of a library that was compiled for several levels of processors, plainest first.
struct LevelTable {
  const Image* const* images;
  uint64_t count;
};

}  // namespace ag::rt

extern "C" {
// The highest level that this machine has; the plainest, which then refuses to open, when it has
// none of them.
const argent_library* argent_rt_choose(const ag::rt::LevelTable* levels);
// What driver modules call and point to.
argent_network* argent_rt_open(const argent_library* library, argent_error* error);
int argent_rt_close(argent_network* network);
argent_instance* argent_rt_create(argent_network* network, uint32_t threads, argent_error* error);
int argent_rt_destroy(argent_instance* instance);
int argent_rt_run(argent_instance* instance, uint32_t entry, const argent_tensor* inputs,
                  uint32_t input_count, const argent_tensor* outputs, uint32_t output_count);
int argent_rt_get(argent_instance* instance, const char* name, const argent_tensor* destination);
int argent_rt_set(argent_instance* instance, const char* name, const argent_tensor* source);
int argent_rt_prepare(argent_instance* instance);
int argent_rt_set_threads(argent_instance* instance, uint32_t threads);
int argent_rt_profile(argent_instance* instance, int enabled);
int argent_rt_step_times(argent_instance* instance, uint32_t entry, argent_step_time* times,
                         uint32_t count);
int argent_rt_trace(argent_instance* instance, argent_trace_room* room);
argent_network* argent_rt_open_device(const argent_library* library, uint32_t device,
                                      argent_error* error);
int argent_rt_set_stream(argent_instance* instance, void* stream);
const char* argent_rt_message(const argent_instance* instance);

void argent_rt_step_done(ag::rt::Profile* profile, uint32_t step);
// The boxes are zero when the kernel that is called next, and after it argent_rt_zero_rest, are
// done. Nothing of that kernel may read or write them.
void argent_rt_zero_boxes(ag::rt::Worker* caller, const halide_buffer_t* buffer,
                          const ag::rt::BoxRecord* boxes, uint64_t count);
void argent_rt_zero_rest(ag::rt::Worker* caller);
void argent_rt_copy(const halide_buffer_t* source, const halide_buffer_t* destination);
}
