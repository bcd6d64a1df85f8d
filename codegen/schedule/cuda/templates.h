// The templates for CUDA devices.
#pragma once

#include "codegen/schedule/apply.h"

namespace ag::schedule::cuda {

void contraction(lower::Kernel& kernel, const Schedule& schedule);
void contraction_plain(lower::Kernel& kernel, const Schedule& schedule);
void matvec(lower::Kernel& kernel, const Schedule& schedule);
void pointwise(lower::Kernel& kernel, const Schedule& schedule);
void reduction(lower::Kernel& kernel, const Schedule& schedule);

}  // namespace ag::schedule::cuda
