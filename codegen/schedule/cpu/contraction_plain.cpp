// Any contraction, in any layout: what the other templates do not take. The contraction is computed
// as a whole, vectors along its innermost axis, before the results.
//
// Parameters: parallel (0 or 1).

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/loops.h"

namespace ag::schedule {
namespace {

using Halide::TailStrategy;
using Halide::Var;

void schedule_contraction(const lower::Kernel& kernel, lower::Contraction& contraction,
                          bool parallel) {
  const Shape& shape = kernel.body.node(contraction.node).types[0].shape;
  const int rank = static_cast<int>(shape.size());
  const std::vector<Var> variables = lower::logical_variables(rank);
  Halide::Func& func = contraction.func;
  func.compute_root();
  const int lanes = vector_lanes(kernel.target, func.types(), shape.back());
  const Var vector("vector"), lane("lane");
  Halide::Stage update = func.update();
  std::vector<Halide::VarOrRVar> order{lane, contraction.channel};
  order.insert(order.end(), contraction.taps.begin(), contraction.taps.end());
  order.push_back(vector);
  order.insert(order.end(), variables.begin() + 1, variables.end());
  func.split(variables[0], vector, lane, lanes, TailStrategy::GuardWithIf).vectorize(lane);
  update.split(variables[0], vector, lane, lanes, TailStrategy::GuardWithIf);
  update.reorder(order).vectorize(lane);
  if (!parallel || rank < 2) return;
  Var task = variables.back();
  if (rank > 2) {
    const Var fused("task");
    update.fuse(variables[rank - 2], variables[rank - 1], fused);
    task = fused;
  }
  update.parallel(task);
}

// Winograd's steps one after the other, each as a whole.
void schedule_winograd(lower::Kernel& kernel) {
  for (Halide::Func& func : lower::winograd_steps(kernel)) func.compute_root();
  kernel.contractions[0].func.compute_root();
}

}  // namespace

void contraction_plain(lower::Kernel& kernel, const Schedule& schedule) {
  const bool parallel = schedule.at("parallel") != 0;
  join_results(kernel);
  for (size_t i = 0; i < kernel.stages.size(); ++i) schedule_stage(kernel, i, parallel);
  if (!lower::winograd_steps(kernel).empty()) return schedule_winograd(kernel);
  for (lower::Contraction& contraction : kernel.contractions) {
    schedule_contraction(kernel, contraction, parallel);
    if (contraction.padded.defined()) contraction.padded.compute_root();
    if (contraction.prologue.defined()) contraction.prologue.compute_root();
  }
  for (lower::Reduction& reduction : kernel.reductions) reduction.func.compute_root();
}

}  // namespace ag::schedule
