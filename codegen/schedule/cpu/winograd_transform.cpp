// Winograd's weights in the layout their convolution wants: for each element of a patch a matrix of
// blocks, output channels innermost. One vector of output channels after the other is transformed
// in registers, and its elements are stored in as many places.
//
// Parameters: parallel (0 or 1): over blocks of output channels.

#include <fmt/format.h>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/results.h"
#include "ir/diagnostics.h"

namespace ag::schedule {

using Halide::Var;
using Halide::VarOrRVar;

void winograd_transform(lower::Kernel& kernel, const Schedule& schedule) {
  join_results(kernel);
  const TensorType& result = kernel.result_type(0);
  const int rank = result.rank();
  const std::vector<LayoutDim> dims = result.layout.dims(rank);  // outermost first
  if (!kernel.weight_rows.defined() || kernel.stages.size() != 1 || dims.back().axis != 0 ||
      dims.back().block == 0) {
    throw CompileError(fmt::format("schedule: winograd_transform wants winograd_weights with a "
                                   "block of output channels innermost, but the result is {}",
                                   to_string(result)))
        .help("schedule this kernel with pointwise");
  }
  Halide::Func stage = kernel.stages[0];
  const std::vector<int> extents = kernel.physical_extents(0);
  const int last = static_cast<int>(dims.size()) - 1;
  std::vector<VarOrRVar> elements, outer;
  Var task = lower::Kernel::physical(0);
  for (int d = 0; d <= last; ++d) {
    const Var loop = lower::Kernel::physical(d);
    stage.bound(loop, 0, extents[d]);
    const LayoutDim& dim = dims[last - d];
    if (d == 0) continue;
    (dim.axis >= rank - 2 ? elements : outer).emplace_back(loop);
    if (dim.axis == 0) task = loop;
  }
  std::vector<VarOrRVar> order{lower::Kernel::physical(0)};
  order.insert(order.end(), elements.begin(), elements.end());
  order.insert(order.end(), outer.begin(), outer.end());
  stage.reorder(order).vectorize(lower::Kernel::physical(0));
  for (const VarOrRVar& element : elements) stage.unroll(element.var);
  const std::vector<Var> variables = lower::logical_variables(rank);
  const int lanes = static_cast<int>(dims.back().block);
  std::vector<Var> storage{variables.back()};
  storage.insert(storage.end(), variables.begin(), variables.end() - 1);
  kernel.weight_rows.compute_at(stage, outer.front().var)
      .store_in(Halide::MemoryType::Stack)
      .reorder_storage(storage)
      .reorder(std::vector<VarOrRVar>(storage.begin(), storage.end()))
      .vectorize(variables.back(), lanes)
      .unroll(variables[0])
      .unroll(variables[1]);
  if (schedule.at("parallel") != 0) stage.parallel(task);
}

}  // namespace ag::schedule
