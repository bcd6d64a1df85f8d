// Sums over positions of what a convolution stores, beside it.
#pragma once

#include "codegen/schedule/cpu/anchor.h"

namespace ag::schedule {

// Schedules the reductions of a kernel whose first stage stores the convolution, and the stages of
// their results. Each row of a block of channels is summed on its own, by the task that has stored
// it, when it is still in the first-level cache; then the sums of rows are added up, in one order
// whatever the number of threads. Tasks have panels of `tile_k` blocks of channels and `task_rows`
// rows, which divide the height; 0: everything on one thread. Tasks are joined where the loops of
// the first stage outside of panels and rows are over images alone.
void schedule_position_sums(lower::Kernel& kernel, const Anchor& anchor, int tile_k, int task_rows);

}  // namespace ag::schedule
