// NumPy's .npy files, for standalone programs.
#pragma once

#include "runtime/argent_abi.h"
#include "runtime/checks.h"

namespace ag::rt {

// A tensor read from a file; free it with free_npy.
struct NpyTensor {
  argent_tensor tensor;
  int64_t shape[kMaxRank];
};

// Both return false and leave one line in `message` (of ARGENT_MESSAGE_BYTES) when something is
// wrong. The reader takes versions 1 to 3, C order, little-endian; the writer writes aside and
// renames.
bool read_npy(const char* path, NpyTensor* result, char* message);
bool write_npy(const char* path, const argent_tensor& tensor, char* message);

void free_npy(NpyTensor* tensor);

}  // namespace ag::rt
