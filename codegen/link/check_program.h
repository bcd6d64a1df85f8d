// Checks the planner's promises before a program is linked: indices, names, and that every buffer
// lies inside its storage. Throws InternalError.
#pragma once

#include "codegen/plan/program.h"

namespace ag {

void check_program(const plan::Program& program);

}  // namespace ag
