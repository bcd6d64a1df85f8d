// Any contraction: each element of its result is added up by one thread and stored, and the
// kernel's results are computed from there. Winograd's steps are stored one after the other.
//
// Parameters: threads of a block.

#include "codegen/schedule/cuda/grid.h"
#include "codegen/schedule/cuda/templates.h"
#include "codegen/schedule/results.h"

namespace ag::schedule::cuda {

void contraction_plain(lower::Kernel& kernel, const Schedule& schedule) {
  const int threads = value(schedule, "threads");
  join_results(kernel);
  for (size_t i = 0; i < kernel.stages.size(); ++i) spread_stage(kernel, i, threads, 1);
  for (Halide::Func& func : lower::winograd_steps(kernel)) {
    func.compute_root();
    spread_elements(func, func.args(), threads);
  }
  schedule_roots(kernel, threads, {.threads = threads});
}

}  // namespace ag::schedule::cuda
