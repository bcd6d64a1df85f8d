// A matrix product of few rows: reading the right operand is what takes time, and there are fewer
// results than a device has threads. The threads of a block share the depth of `columns` sums.
//
// Parameters: columns: neighbouring results of a block; threads: that add up each of them;
// by_rows: neighbouring threads read along the depth; lanes: they add up by shuffles;
// element_threads: of a block of the kernel that computes the results from the sums.

#include "codegen/schedule/cuda/grid.h"
#include "codegen/schedule/cuda/templates.h"
#include "codegen/schedule/results.h"

namespace ag::schedule::cuda {

void matvec(lower::Kernel& kernel, const Schedule& schedule) {
  const BlockReduction shape{value(schedule, "columns"), value(schedule, "threads"), 1,
                             value(schedule, "by_rows") != 0, value(schedule, "lanes") != 0};
  const int threads = value(schedule, "element_threads");
  join_results(kernel);
  for (size_t i = 0; i < kernel.stages.size(); ++i) spread_stage(kernel, i, threads, 1);
  for (lower::Contraction& product : kernel.contractions)
    reduce_at_root(product.func, {product.channel}, product.channels, shape);
  kernel.contractions.clear();
  schedule_roots(kernel, threads, {.threads = threads});
}

}  // namespace ag::schedule::cuda
