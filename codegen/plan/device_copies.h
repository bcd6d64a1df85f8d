// Copies of CUDA programs, which their runtime has no routine for.
#pragma once

#include "codegen/plan/program.h"

namespace ag::plan {

// Every step that copies one buffer of the device to another becomes the call of a kernel, which
// this writes as PTX: a thread for each element, whatever the strides. Equal forms share one.
//
//   copy(t3, weight)
// becomes
//   copy_9f0c…(t3, weight)
void copy_by_kernels(Program& program);

}  // namespace ag::plan
