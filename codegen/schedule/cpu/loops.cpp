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

// Splits the loop over rows, where the dimensions outside of it are only `tasks` tasks, and fuses
// its parts with `outer`. Returns how many rows a part has, which is the same for all: where no
// such number of parts is near, the last one overlaps the one before, or with `once` there are
// none.
int share_rows(Func& stage, const Var& row, int extent, bool once, int& tasks, Var& outer) {
  const int wanted = std::min((kParallelTasks + tasks - 1) / tasks, extent);
  int parts = wanted;  // more of them where they are then alike
  while (parts < std::min(2 * wanted, extent) && extent % parts != 0) ++parts;
  if (extent % parts != 0) parts = once ? 1 : wanted;
  if (parts == 1) return extent;
  const int share = (extent + parts - 1) / parts;
  const Var part("part"), fused("outer_and_part");
  stage.split(row, part, row, share, TailStrategy::ShiftInwards).fuse(part, outer, fused);
  outer = fused;
  tasks *= (extent + share - 1) / share;
  return share;
}

// Loops over the dimensions outside of the vectorised one, the parallel loop over as many as give
// enough tasks. With `once`, each element is computed by one of them.
RowLoop schedule_outer(Func& stage, const std::vector<int>& extents, int vectorised, bool once,
                       bool parallel) {
  const int outermost = static_cast<int>(extents.size()) - 1;
  Var outer = lower::Kernel::physical(outermost), task("task");
  int tasks = extents[outermost];
  for (int d = outermost - 1; d > vectorised + 1 && tasks < kParallelTasks; --d) {
    Var fused("outer" + std::to_string(d));
    stage.fuse(lower::Kernel::physical(d), outer, fused);
    outer = fused;
    tasks *= extents[d];
  }
  const Var row = lower::Kernel::physical(vectorised + 1);
  int rows = extents[vectorised + 1];
  if (parallel && vectorised + 1 < outermost && tasks < kParallelTasks)
    rows = share_rows(stage, row, rows, once, tasks, outer);
  if (parallel && tasks > 2 * kParallelTasks) {
    const int share = (tasks + kParallelTasks - 1) / kParallelTasks;
    stage.split(outer, task, outer, share, TailStrategy::GuardWithIf).parallel(task);
  } else if (parallel && tasks > 1) {
    stage.parallel(outer);
  }
  if (vectorised + 1 == outermost) return {stage, outer, true};
  return {stage, row, true, rows};
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
  // Sizes of what is computed per row do not show through rows that overlap.
  const bool once = kernel.overwrites_operand() || !kernel.reductions.empty();
  return schedule_outer(stage, extents, vectorised, once, parallel);
}

}  // namespace ag::schedule
