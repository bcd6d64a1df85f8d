#include "codegen/schedule/cpu/weight_panels.h"

namespace ag::schedule {
namespace {

using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

// Result elements of a panel that are stored together: reads and writes of both orders stay in
// cache.
constexpr int kTransposed = 16;
constexpr int kMostUnrolled = 7;

}  // namespace

int weight_panel_extent(const lower::Kernel& kernel, int node, int axis, int64_t channels) {
  if (kernel.stages.size() != 1) return 0;
  const TensorType& result = kernel.result_type(0);
  const TensorType& gradient = kernel.body.node(node).types[0];
  if (result.shape != gradient.shape) return 0;
  const int64_t block = result.layout.block_of(axis);
  const bool outermost = result.layout.dims(gradient.rank()).front().axis == axis;
  return outermost && channels % block == 0 ? static_cast<int>(channels / block) : 0;
}

Var schedule_weight_panels(lower::Kernel& kernel, int extent, int lanes, bool parallel) {
  Halide::Func stage = kernel.stages[0];
  const std::vector<int> extents = kernel.physical_extents(0);
  const int last = static_cast<int>(extents.size()) - 1;
  for (int d = 0; d <= last; ++d) stage.bound(lower::Kernel::physical(d), 0, extents[d]);
  const Var panel("panel"), within("within"), inner("inner"), outer("outer");
  const Var before = lower::Kernel::physical(last - 1);
  stage.split(lower::Kernel::physical(last), panel, within, extent, TailStrategy::GuardWithIf);
  stage.split(before, outer, inner, std::min(kTransposed, extents[last - 1]),
              TailStrategy::GuardWithIf);
  std::vector<VarOrRVar> order;
  for (int d = 0; d < last - 1; ++d) order.push_back(lower::Kernel::physical(d));
  order.insert(order.end(), {inner, within, outer, panel});
  stage.reorder(order);
  if (last > 1 && extents[0] <= kMostUnrolled) stage.unroll(lower::Kernel::physical(0));
  if (extents[0] >= lanes) stage.vectorize(lower::Kernel::physical(0), lanes);
  if (kernel.fresh.defined()) kernel.fresh.compute_at(stage, inner);
  if (parallel) stage.parallel(panel);
  return panel;
}

}  // namespace ag::schedule
