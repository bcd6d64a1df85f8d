// A CUDA program as one file of PTX that explains itself.
#pragma once

#include <string>

#include "codegen/compile.h"

namespace ag {

// One module for ptxas or the driver: all kernels, each with its launches in comments, behind the
// plan in comments: which steps an entry takes, on which memory of the device.
std::string ptx_text(const CompiledProgram& compiled);

}  // namespace ag
