// One sweep over the results, everything inlined: elementwise chains, views, gathers, optimizer
// updates.
//
// Parameters: parallel (0 or 1).

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/loops.h"

namespace ag::schedule {

void pointwise(lower::Kernel& kernel, const Schedule& schedule) {
  join_results(kernel);
  for (size_t i = 0; i < kernel.stages.size(); ++i)
    schedule_stage(kernel, i, schedule.at("parallel") != 0);
  for (lower::Reduction& reduction : kernel.reductions) reduction.func.compute_root();
}

}  // namespace ag::schedule
