// Files that a command writes at its end.
#pragma once

#include <string>

namespace ag {

// Says now, not after the work, that the file cannot be written. `option` is how the user names it:
// "-o NAME.so". Throws CompileError.
void check_writable(const std::string& path, const std::string& option);

}  // namespace ag
