// What `argent inspect` says of a compiled library.
#pragma once

#include <string>

namespace ag::commands {

// Prints a library's entry points, tensors and sizes, as a table or as JSON. Throws CompileError
// when the file is no library of ours.
void inspect_library(const std::string& path, bool json);

}  // namespace ag::commands
