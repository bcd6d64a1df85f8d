// Kernels of our own for CUDA devices: what Halide cannot say, written in LLVM's instructions. Each
// template has a row here, as those of codegen/schedule have in Halide, and gives what they give:
// PTX and launches.
#pragma once

#include <string_view>

#include "codegen/kernel/request.h"

namespace ag::nvptx {

// Whether a schedule of this name is one of ours.
bool has_template(std::string_view schedule_name);

// Throws CompileError where the schedule does not fit the kernel.
KernelResult compile_kernel(const KernelRequest& request);

}  // namespace ag::nvptx
