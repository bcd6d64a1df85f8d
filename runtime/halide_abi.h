// The part of Halide's C ABI that kernels and the runtime share, in Halide 21's layout. Declared
// here because a shipped library is built without Halide; the tests run Halide's kernels against
// it.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct halide_dimension_t {
  int32_t min, extent, stride;
  uint32_t flags;
};

struct halide_type_t {
  uint8_t code;  // 0 signed, 1 unsigned, 2 float, 4 bfloat
  uint8_t bits;
  uint16_t lanes;
};

struct halide_buffer_t {
  uint64_t device;
  const void* device_interface;
  uint8_t* host;
  uint64_t flags;
  halide_type_t type;
  int32_t dimensions;
  halide_dimension_t* dim;
  void* padding;
};

using halide_task_t = int (*)(void* user_context, int index, uint8_t* closure);

int halide_do_par_for(void* user_context, halide_task_t task, int min, int size, uint8_t* closure);
void* halide_malloc(void* user_context, size_t bytes);
void halide_free(void* user_context, void* pointer);
void halide_error(void* user_context, const char* message);

}  // extern "C"
