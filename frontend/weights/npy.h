// NumPy's .npy: one array behind a short text header.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <string>
#include <vector>

#include "ir/array.h"

namespace ag {

// Versions 1 to 3, C and Fortran order, both byte orders; two-byte void (as ml_dtypes stores it) is
// bf16. Throws CompileError opening with `name` when the bytes are anything else, too few or too
// many.
Array parse_npy(std::span<const std::byte> bytes, const std::string& name);
Array read_npy(const std::string& path);

// Version 1 in C order.
std::vector<std::byte> npy_bytes(const Array& array);
void write_npy(const std::string& path, const Array& array);

}  // namespace ag
