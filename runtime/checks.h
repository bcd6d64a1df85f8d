// Checks of what a caller passes through the C ABI.
#pragma once

#include "runtime/argent_abi.h"

namespace ag::rt {

// No tensor of a compiled program has more dimensions (codegen/link checks it).
inline constexpr uint32_t kMaxRank = 16;

// "f32" …; "?" for a number that is no dtype.
const char* dtype_name(uint32_t dtype);

// Bytes of one element; 0 for a number that is no dtype.
uint64_t dtype_bytes(uint32_t dtype);

// Compares a tensor with its declaration; `owner` begins the message.
int check_tensor(const char* owner, const argent_tensor_info& info, const argent_tensor& tensor,
                 char* message);

// Finds the parameter or state of that name among library.tensors and compares `tensor`, which may
// be null, with its declaration.
int check_stored(const argent_library& library, const char* name, const argent_tensor* tensor,
                 uint32_t* index, char* message);

// Of an instance: 1 … ARGENT_MAX_THREADS.
int check_threads(const argent_library& library, uint32_t threads, char* message);

// What argent_run is given; `stale`: parameters were set and not prepared.
int check_run(const argent_library& library, bool stale, uint32_t entry,
              const argent_tensor* inputs, uint32_t input_count, const argent_tensor* outputs,
              uint32_t output_count, char* message);

// Counts, tensors, and that no output overlaps another argument.
int check_call(const argent_entry_info& entry, const argent_tensor* inputs, uint32_t input_count,
               const argent_tensor* outputs, uint32_t output_count, char* message);

}  // namespace ag::rt
