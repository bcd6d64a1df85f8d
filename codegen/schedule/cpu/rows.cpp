#include "codegen/schedule/cpu/rows.h"

#include <algorithm>

#include "codegen/schedule/cpu/loops.h"
#include "ir/ops/view.h"

namespace ag::schedule {

using Halide::Func;
using Halide::RVar;
using Halide::Var;
using Halide::VarOrRVar;

namespace {

// Stores a Func of partial results with the lanes innermost, then the accumulators.
void schedule_partial(Func& partial, const std::vector<Var>& innermost, const RowPlace& place) {
  std::vector<Var> storage = innermost;
  for (const Var& variable : partial.args()) {
    const bool inner = std::any_of(innermost.begin(), innermost.end(),
                                   [&](const Var& v) { return v.name() == variable.name(); });
    if (!inner) storage.push_back(variable);
  }
  if (storage.size() > 1) partial.reorder_storage(storage);
  partial.vectorize(innermost[0]);
  for (size_t i = 1; i < innermost.size(); ++i) partial.unroll(innermost[i]);
  place(partial);
}

}  // namespace

const Shape& operand_shape(const lower::Kernel& kernel, const lower::Reduction& reduction) {
  const Node& node = kernel.body.node(reduction.nodes[0]);
  return kernel.body.type(node.operands[0]).shape;
}

bool is_arg(const lower::Reduction& reduction) {
  return reduction.func.types().size() > 1 && reduction.func.types()[0] == Halide::Int(32);
}

void schedule_row(const lower::Kernel& kernel, lower::Reduction& reduction, const RowPlace& place) {
  constexpr int kAccumulators = 4;
  Func& func = reduction.func;
  const int64_t extent = operand_shape(kernel, reduction)[reduction.axes.front()];
  const int lanes = vector_lanes(kernel.target, func.types(), extent);
  if (lanes < 4 || is_arg(reduction)) return;
  const int accumulators = extent >= int64_t{2} * kAccumulators * lanes ? kAccumulators : 1;
  RVar vectors("row_vectors"), within("row_within"), accumulator("row_accumulator"),
      lane("row_lane");
  Var lane_out("lane"), accumulator_out("accumulator");
  func.update().split(reduction.variables.front(), vectors, within, lanes * accumulators);
  func.update().split(within, accumulator, lane, lanes);
  Func partial = func.update().rfactor({{lane, lane_out}, {accumulator, accumulator_out}});
  schedule_partial(partial, {lane_out, accumulator_out}, place);
  std::vector<VarOrRVar> order{lane_out, accumulator_out, vectors};
  for (size_t i = 1; i < reduction.variables.size(); ++i) order.push_back(reduction.variables[i]);
  partial.update().reorder(order).vectorize(lane_out).unroll(accumulator_out);
  Func lane_results = func.update().rfactor(lane, lane_out);
  schedule_partial(lane_results, {lane_out}, place);
  lane_results.update().reorder(lane_out, accumulator).vectorize(lane_out).unroll(accumulator);
  if (func.types().size() == 1) func.update().atomic().vectorize(lane);
}

RowValues find_row_values(const lower::Kernel& kernel, const Shape& shape) {
  const Graph& body = kernel.body;
  std::vector<int> uses(body.size(), 0);
  std::vector<bool> reduced(body.size(), false), repeated(body.size(), false);
  for (int i = 0; i < body.size(); ++i) {
    for (Value operand : body.node(i).operands) {
      ++uses[operand.node];
      if (body.node(i).is(ops::broadcast)) repeated[operand.node] = true;
    }
  }
  for (const lower::Reduction& item : kernel.reductions) {
    for (int node : item.nodes) reduced[body.node(node).operands[0].node] = true;
  }
  RowValues values;
  for (int i = 0; i < body.size(); ++i) {
    const TensorType& type = body.node(i).types[0];
    if (!body.node(i).op->pointwise) continue;
    if (type.shape == shape && reduced[i] && uses[i] > 1) {
      values.of_elements.push_back(i);
    } else if (repeated[i] && type.count() * shape.back() == element_count(shape)) {
      values.of_rows.push_back(i);
    }
  }
  return values;
}

void schedule_row_values(lower::Kernel& kernel, const RowValues& values, const RowPlace& place) {
  for (int i : values.of_rows) place(kernel.values[i][0]);
  for (int i : values.of_elements) {
    const int64_t width = kernel.body.node(i).types[0].shape.back();
    Func value = kernel.values[i][0];
    place(value);
    vectorise_kept(value, value.args()[0], vector_lanes(kernel.target, value.types(), width),
                   width);
  }
}

}  // namespace ag::schedule
