#include "ir/tensor.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/gradient.h"
#include "ir/ops/leaf.h"
#include "ir/ops/view.h"

namespace ag {

std::vector<Tensor> apply_all(const OpDef& op, std::span<const Tensor> operands,
                              Attributes attributes, const std::source_location& where) {
  Graph& graph = operands[0].graph();
  std::vector<Value> values;
  for (const Tensor& operand : operands) {
    if (&operand.graph() != &graph) {
      throw CompileError(fmt::format("{}: operands belong to two different graphs, @{} and @{}",
                                     op.name, graph.name(), operand.graph().name()))
          .at(graph.locate(where));
    }
    values.push_back(operand.value());
  }
  int index = graph.append(op, std::move(values), std::move(attributes), graph.locate(where));
  std::vector<Tensor> results;
  for (size_t i = 0; i < graph.node(index).types.size(); ++i) {
    results.emplace_back(graph, Value{index, static_cast<int>(i)});
  }
  return results;
}

Tensor apply(const OpDef& op, std::initializer_list<Tensor> operands, Attributes attributes,
             const std::source_location& where) {
  return apply_all(op, {operands.begin(), operands.size()}, std::move(attributes), where)[0];
}

Tensor apply_leafless(Graph& graph, const OpDef& op, Attributes attributes,
                      const std::source_location& where) {
  return {graph, graph.add(op, {}, std::move(attributes), graph.locate(where))};
}

namespace {

// NumPy's broadcast shape of all tensors, or a CompileError naming the two that do not fit.
Shape common_shape(const OpDef& op, std::span<const Operand> operands) {
  Shape shape;
  for (const Operand& operand : operands) {
    if (!operand.tensor.valid()) continue;
    const Shape& other = operand.tensor.shape();
    if (other.size() > shape.size()) shape.insert(shape.begin(), other.size() - shape.size(), 1);
    for (size_t i = 0; i < other.size(); ++i) {
      int64_t& extent = shape[shape.size() - other.size() + i];
      if (extent != other[i] && extent != 1 && other[i] != 1) {
        throw CompileError(fmt::format("{}: shapes {} and {} do not broadcast: {} against {}",
                                       op.name, to_string(shape), to_string(other), extent,
                                       other[i]))
            .at(operand.tensor.graph().locate(operand.where))
            .help("extents must be equal or 1, matched from the last axis");
      }
      extent = std::max(extent, other[i]);
      if (other[i] == 0) extent = 0;
    }
  }
  return shape;
}

}  // namespace

std::vector<Tensor> broadcast_together(const OpDef& op, std::span<const Operand> operands) {
  auto first = std::find_if(operands.begin(), operands.end(),
                            [](const Operand& o) { return o.tensor.valid(); });
  if (first == operands.end()) {
    throw CompileError(fmt::format("{}: all operands are scalars", op.name))
        .help("make one a tensor with full()");
  }
  Shape shape = common_shape(op, operands);
  TensorType type = first->tensor.type().with_shape(shape);
  std::vector<Tensor> tensors;
  for (const Operand& operand : operands) {
    tensors.push_back(operand.tensor.valid()
                          ? broadcast_to(operand, shape)
                          : full(first->tensor.graph(), type, operand.scalar, first->where));
  }
  return tensors;
}

Tensor GradContext::dy(size_t i) const {
  if (result_gradients[i].valid()) return result_gradients[i];
  return zeros_like(y(static_cast<int>(i)));
}

}  // namespace ag
