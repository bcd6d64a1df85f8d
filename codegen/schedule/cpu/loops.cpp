#include "codegen/schedule/cpu/loops.h"

#include <algorithm>

namespace ag::schedule {

using Halide::Func;
using Halide::TailStrategy;
using Halide::Var;

namespace {

// The first dimension with more than one element: the one to vectorise.
int vector_dimension(const std::vector<int>& extents) {
  for (size_t d = 0; d < extents.size(); ++d) {
    if (extents[d] > 1) return static_cast<int>(d);
  }
  return 0;
}

}  // namespace

int vector_lanes(const Target& target, const std::vector<Halide::Type>& types, int64_t extent) {
  int bytes = 1;
  for (const Halide::Type& type : types) bytes = std::max(bytes, type.bytes());
  int lanes = target.vector_bytes / bytes;
  while (lanes > extent) lanes /= 2;
  return std::max(lanes, 1);
}

RowLoop schedule_stage(lower::Kernel& kernel, size_t index, bool parallel) {
  Func stage = kernel.stages[index];
  std::vector<int> extents = kernel.physical_extents(index);
  int rank = static_cast<int>(extents.size());
  if (rank == 0) return {stage, Var(), false};
  for (int d = 0; d < rank; ++d) stage.bound(lower::Kernel::physical(d), 0, extents[d]);

  int vectorised = vector_dimension(extents);
  int lanes = vector_lanes(kernel.target, stage.types(), extents[vectorised]);
  bool exact = extents[vectorised] % lanes == 0;
  TailStrategy tail = exact                         ? TailStrategy::RoundUp
                      : kernel.overwrites_operand() ? TailStrategy::GuardWithIf
                                                    : TailStrategy::ShiftInwards;
  Var dimension = lower::Kernel::physical(vectorised), vectors("vectors"), lane("lane"),
      task("task");
  stage.split(dimension, vectors, lane, lanes, tail).vectorize(lane);
  if (kernel.fresh.defined()) {
    kernel.fresh.compute_at(stage, vectors).vectorize(dimension);
  }

  // Outer dimensions, outermost last; the parallel loop takes as many as give enough tasks.
  int outermost = rank - 1;
  if (outermost == vectorised) {
    int count = (extents[vectorised] + lanes - 1) / lanes;
    if (parallel && count > kParallelTasks) {
      stage.split(vectors, task, vectors, (count + kParallelTasks - 1) / kParallelTasks,
                  TailStrategy::GuardWithIf);
      stage.parallel(task);
    }
    return {stage, vectors, false};
  }
  Var outer = lower::Kernel::physical(outermost);
  int tasks = extents[outermost];
  for (int d = outermost - 1; d > vectorised + 1 && tasks < kParallelTasks; --d) {
    Var fused("outer" + std::to_string(d));
    stage.fuse(lower::Kernel::physical(d), outer, fused);
    outer = fused;
    tasks *= extents[d];
  }
  if (parallel && tasks > 1) {
    if (tasks > kParallelTasks) {
      int share = (tasks + kParallelTasks - 1) / kParallelTasks;
      stage.split(outer, task, outer, share, TailStrategy::GuardWithIf);
      stage.parallel(task);
    } else {
      stage.parallel(outer);
    }
  }
  if (vectorised + 1 == outermost) return {stage, outer, true};
  return {stage, lower::Kernel::physical(vectorised + 1), true, extents[vectorised + 1]};
}

}  // namespace ag::schedule
