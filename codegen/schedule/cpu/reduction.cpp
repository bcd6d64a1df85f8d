// Reductions over rows or columns, with whatever is elementwise before and behind them.
//
// A reduction whose result is indexed like the rows of the kernel's result (softmax: maximum, sum)
// is computed per row. Others are computed at the root, in two steps where the domain is large:
// partial results over the outermost reduced axis in parallel, then their sum. The partition
// depends on shapes alone, so results do not depend on the number of threads.
//
// Parameters: parallel (0 or 1).

#include <algorithm>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/loops.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::RVar;
using Halide::Var;
using Halide::VarOrRVar;

// Below this many elements a second step costs more than it saves.
constexpr int64_t kTwoStepElements = 4096;

struct Shape2 {
  int64_t kept = 1, reduced = 1;
};

const Shape& operand_shape(const lower::Kernel& kernel, const lower::Reduction& reduction) {
  const Node& node = kernel.body.node(reduction.nodes[0]);
  return kernel.body.type(node.operands[0]).shape;
}

// The operand's axis that is innermost in the memory of the largest leaf of that shape.
int innermost_axis(const lower::Kernel& kernel, const Shape& shape) {
  for (const BufferForm& form : kernel.operand_forms) {
    if (form.type.shape == shape && !shape.empty())
      return form.type.layout.dims(form.type.rank()).back().axis;
  }
  return static_cast<int>(shape.size()) - 1;
}

// The loop variable of an operand's axis that stays: kept axes keep their order.
Var kept_variable(const lower::Reduction& reduction, int axis, int rank) {
  int position = axis;
  for (int reduced : reduction.axes) position -= reduced < axis;
  int kept_rank = rank - static_cast<int>(reduction.axes.size());
  return lower::logical_variables(kept_rank)[kept_rank - 1 - position];
}

// Vectorises the pure loop over `variable` of one stage of a Func.
template <class Stage>
Var vectorise_kept(Stage stage, const Var& variable, int lanes, int64_t extent) {
  Var outer("outer"), lane("lane");
  stage.split(
      variable, outer, lane, lanes,
      extent % lanes == 0 ? Halide::TailStrategy::RoundUp : Halide::TailStrategy::GuardWithIf);
  stage.vectorize(lane);
  return outer;
}

// A column reduction (the innermost axis stays): vectors of columns, reduced loops outside them.
void schedule_columns(lower::Kernel& kernel, lower::Reduction& reduction, int axis, bool parallel) {
  const Shape& shape = operand_shape(kernel, reduction);
  int rank = static_cast<int>(shape.size());
  Var column = kept_variable(reduction, axis, rank);
  int lanes = vector_lanes(kernel.target, reduction.func.types(), shape[axis]);
  RVar outermost = reduction.variables.back();
  int64_t steps = shape[reduction.axes.back()];
  Func& func = reduction.func;
  func.compute_root();
  if (element_count(shape) >= kTwoStepElements && steps > 1 && reduction.axes.size() > 1) {
    Var part("part");
    Func partial = func.update().rfactor(outermost, part);
    partial.compute_root();
    vectorise_kept(partial, column, lanes, shape[axis]);
    Var outer = vectorise_kept(partial.update(), column, lanes, shape[axis]);
    std::vector<VarOrRVar> order{Var("lane")};
    for (size_t i = 0; i + 1 < reduction.variables.size(); ++i)
      order.push_back(reduction.variables[i]);
    order.push_back(outer);
    order.push_back(part);
    partial.update().reorder(order);
    if (parallel) partial.update().parallel(part);
    vectorise_kept(func, column, lanes, shape[axis]);
    vectorise_kept(func.update(), column, lanes, shape[axis]);
    return;
  }
  vectorise_kept(func, column, lanes, shape[axis]);
  Var outer = vectorise_kept(func.update(), column, lanes, shape[axis]);
  std::vector<VarOrRVar> order{Var("lane")};
  for (const RVar& variable : reduction.variables) order.push_back(variable);
  order.push_back(outer);
  func.update().reorder(order);
}

// A row reduction (the innermost axis vanishes): vectors along the row when it divides into them,
// each lane summing its own share.
void schedule_row(lower::Kernel& kernel, lower::Reduction& reduction) {
  const Shape& shape = operand_shape(kernel, reduction);
  int64_t extent = shape[reduction.axes.front()];
  int lanes = vector_lanes(kernel.target, reduction.func.types(), extent);
  while (lanes > 1 && extent % lanes != 0) lanes /= 2;
  bool is_arg = reduction.func.types().size() > 1 && reduction.func.types()[0] == Halide::Int(32);
  if (lanes < 4 || is_arg) return;
  RVar outer("row_vectors"), inner("row_lane");
  Var lane("lane");
  reduction.func.update().split(reduction.variables.front(), outer, inner, lanes);
  Func partial = reduction.func.update().rfactor(inner, lane);
  reduction.lanes = partial;
  partial.vectorize(lane);
  std::vector<VarOrRVar> order{lane, outer};
  for (size_t i = 1; i < reduction.variables.size(); ++i) order.push_back(reduction.variables[i]);
  partial.update().reorder(order).vectorize(lane);
}

// Whether the reduction's result has one element per row of the kernel's results.
bool is_per_row(const lower::Kernel& kernel, const lower::Reduction& reduction) {
  const TensorType& kept = kernel.body.node(reduction.nodes[0]).types[0];
  const TensorType& result = kernel.result_forms[0].type;
  int rows = kept.rank();
  if (!result.layout.is_row_major() || result.rank() != rows + 1 || kernel.results.size() != 1)
    return false;
  return std::equal(kept.shape.begin(), kept.shape.end(), result.shape.begin());
}

}  // namespace

void reduction(lower::Kernel& kernel, const Schedule& schedule) {
  bool parallel = schedule.at("parallel") != 0;
  join_results(kernel);
  RowLoop row;
  for (size_t i = 0; i < kernel.stages.size(); ++i) row = schedule_stage(kernel, i, parallel);
  for (lower::Reduction& item : kernel.reductions) {
    const Shape& shape = operand_shape(kernel, item);
    int innermost = innermost_axis(kernel, shape);
    bool vanishes = std::find(item.axes.begin(), item.axes.end(), innermost) != item.axes.end();
    bool standard =
        kernel.body.node(item.nodes[0]).operands.size() == 1;  // a reduction, not a contraction
    if (row.defined && is_per_row(kernel, item)) {
      item.func.compute_at(row.stage, row.loop);
      if (standard) schedule_row(kernel, item);
      if (item.lanes.defined()) item.lanes.compute_at(row.stage, row.loop);
    } else if (standard && !vanishes && !shape.empty()) {
      schedule_columns(kernel, item, innermost, parallel);
    } else {
      item.func.compute_root();
      if (standard) schedule_row(kernel, item);
      if (item.lanes.defined()) item.lanes.compute_root();
    }
  }
}

}  // namespace ag::schedule
