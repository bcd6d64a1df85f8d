// A compiled library as a file: what it says of itself, without running anything of it.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/argent_abi.h"

namespace ag {

struct LibraryFile {
  const argent_library* library;  // stays in the process
  uint64_t file_bytes;
  uint64_t code_bytes;  // of its machine code
};

// Opens a shared library that Argent made for this kind of machine, whatever its processor level.
// Throws CompileError when it is none.
LibraryFile open_library_file(const std::string& path);

}  // namespace ag
