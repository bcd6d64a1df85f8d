// How a kernel's results are computed together; for the templates of every target family.
#pragma once

#include "codegen/lower/kernel.h"

namespace ag::schedule {

// The kernel's results as they are computed: one tuple-valued Func when there are several with
// equal physical extents, else each on its own. Where a result overwrites an operand, every result
// of one vector is computed before any of them is stored. Fills kernel.stages and fixes the
// dimensions of the result buffers.
void join_results(lower::Kernel& kernel);

}  // namespace ag::schedule
