// Files that the build puts into the linker: the runtime of each target architecture.
#pragma once

#include <string_view>

#include "codegen/target.h"

namespace ag {

struct EmbeddedRuntime {
  std::string_view runtime;  // object: what every library contains
  std::string_view cuda;     // object: what a library for GPUs contains besides
  std::string_view program;  // object: main of a standalone program
  std::string_view libc,
      libm;  // stand-ins for the shared libraries, with the same names and versions
};

// Throws CompileError when this build of Argent has no runtime for the target's architecture.
EmbeddedRuntime embedded_runtime(const Target& target);

// The text of runtime/argent_abi.h.
std::string_view abi_header();

}  // namespace ag
