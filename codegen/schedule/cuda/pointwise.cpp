// One thread for each element, or for `vector` neighbours, of the results: elementwise chains,
// views, windows, gathers, random numbers, optimizer updates. Sums into elements that data names
// are computed first; each element's are added by one thread, in their order.
//
// Parameters: threads of a block; vector: neighbouring elements of a thread.

#include "codegen/schedule/cuda/grid.h"
#include "codegen/schedule/cuda/templates.h"
#include "codegen/schedule/results.h"

namespace ag::schedule::cuda {

void pointwise(lower::Kernel& kernel, const Schedule& schedule) {
  const int threads = value(schedule, "threads");
  join_results(kernel);
  for (size_t i = 0; i < kernel.stages.size(); ++i)
    spread_stage(kernel, i, threads, value(schedule, "vector"));
  schedule_roots(kernel, threads, {.threads = threads});
}

}  // namespace ag::schedule::cuda
