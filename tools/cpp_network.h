// Networks from the user's C++ files.
#pragma once

#include <string>

#include "frontend/model.h"

namespace ag {

// Compiles `file` with the system's compiler, opens it in this process, calls `function` and
// returns its model. `shape` ("1,3,32,32") is wanted by functions from a tensor to a tensor and
// ignored by others. The code stays open as long as the process runs. Throws CompileError with the
// compiler's messages.
Model load_cpp_network(const std::string& file, const std::string& function,
                       const std::string& shape);

}  // namespace ag
