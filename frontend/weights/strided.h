// Sizes and strides that come from untrusted files.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "ir/array.h"

namespace ag {

// How much memory a file may ask for beyond its own size (deflated entries, tensors that repeat
// elements by a stride of 0): `floor` bytes plus `factor` times the file's size.
struct ExpansionLimit {
  uint64_t floor = uint64_t{1} << 30;
  uint64_t factor = 20;
  uint64_t allowed(uint64_t file_bytes) const {
    return floor + (file_bytes < (uint64_t{1} << 50) ? factor * file_bytes : 0);
  }
};

// Bytes of a dense tensor. Throws CompileError opening with `what` when an extent is negative, the
// rank is above 32, or the size is beyond 2^47 bytes.
uint64_t checked_tensor_bytes(const Shape& shape, DType dtype, const std::string& what);

// The tensor whose element at index i is the element offset + sum(i * stride) of `storage`, made
// contiguous. Throws CompileError opening with `what` when any element lies outside.
Array gather_strided(DType dtype, const Shape& shape, const Shape& strides, int64_t offset,
                     std::span<const std::byte> storage, const std::string& what);

// A dense row-major tensor from exactly its bytes.
Array dense_array(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                  const std::string& what);

}  // namespace ag
