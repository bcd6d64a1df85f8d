// The device code of a CUDA program: one module of all its kernels.
#pragma once

#include <optional>
#include <string>

#include "codegen/plan/program.h"

namespace ag {

// What a module begins with: the highest version and target that a kernel of the program asks for.
std::string ptx_head(const plan::Program& program);
// A kernel's PTX behind its head. Functions that it calls, as LLVM leaves some of libdevice's, and
// variables of the module are named after it: another kernel may define the same.
std::string ptx_body(const std::string& symbol, const plan::DeviceKernel& kernel);
// The program's kernels as one module.
std::string ptx_module(const plan::Program& program);

// NVIDIA's assembler: what the environment variable ARGENT_PTXAS names, else ptxas on PATH; nullopt
// where there is none, or ARGENT_PTXAS is empty.
std::optional<std::string> find_ptxas();

// A cubin for sm_`capability`. Throws CompileError with ptxas's words when it refuses.
std::string assemble_ptx(const std::string& ptxas, const std::string& ptx, int capability);

}  // namespace ag
