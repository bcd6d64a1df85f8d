// Line tables for the kernels, which know nothing of the networks that call them. Internal to
// codegen/link.
#pragma once

#include <span>
#include <string>

#include "codegen/link/kernel_titles.h"
#include "codegen/plan/program.h"
#include "codegen/target.h"

namespace ag {

// A relocatable object of DWARF 4 alone: every function of every kernel, the bodies of parallel
// loops among them, comes as a whole from the user's line that the kernel is for, and is named
// after the layer. What calls it is in the driver's own table (codegen/link/debug_lines.h). A
// kernel without a known line is left out; empty when none is left.
std::string kernel_lines_object(std::span<const plan::Program> levels, const Target& target);

}  // namespace ag
