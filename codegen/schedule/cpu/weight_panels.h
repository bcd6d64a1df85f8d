// Gradients of weights, computed and stored panel by panel of output channels.
#pragma once

#include "codegen/lower/kernel.h"

namespace ag::schedule {

// Extent of a panel of `channels` output channels (`axis` of the gradient that body node `node`
// computes) along the outermost dimension of the kernel's result; 0 where there are several stages,
// or the result's outermost dimension is not that of the output channels.
int weight_panel_extent(const lower::Kernel& kernel, int node, int axis, int64_t channels);

// Loops over the kernel's one stage that store panels of this extent, transposed by squares from a
// buffer with `lanes` output channels innermost. Returns the loop over panels.
Halide::Var schedule_weight_panels(lower::Kernel& kernel, int extent, int lanes, bool parallel);

}  // namespace ag::schedule
