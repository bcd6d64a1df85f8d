#include "ir/interpret.h"

#include <fmt/format.h>

#include "ir/expand.h"
#include "ir/internal_error.h"

namespace ag {
namespace {

using Results = std::vector<ReferenceTensor>;

const ReferenceTensor& bound(const Graph& graph, const Node& node, const Bindings& bindings) {
  const std::string& name = node.attributes.string("name");
  auto found = bindings.find(name);
  if (found == bindings.end()) {
    throw CompileError(fmt::format("interpret: {} '{}' of graph @{} has no value", node.op->name,
                                   name, graph.name()))
        .at(node.location)
        .help("bind a tensor of type " + to_string(node.types[0]));
  }
  const ReferenceTensor& value = found->second;
  if (value.dtype != node.types[0].dtype || value.shape != node.types[0].shape) {
    throw CompileError(fmt::format("interpret: {} '{}' is {}, but the value given is {}{}",
                                   node.op->name, name, to_string(node.types[0]),
                                   name_of(value.dtype), to_string(value.shape)))
        .at(node.location);
  }
  return value;
}

// Results of a sub-graph whose inputs, in order, take the operands.
Results run_subgraph(const Graph& graph, std::span<const ReferenceTensor* const> operands) {
  Bindings bindings;
  size_t i = 0;
  for (int node = 0; node < graph.size(); ++node) {
    if (graph.node(node).op->kind == OpKind::leaf) {
      bindings.emplace(graph.node(node).attributes.string("name"), *operands[i++]);
    }
  }
  return interpret(graph, bindings);
}

Results run(const Graph& graph, const Node& node,
            std::span<const ReferenceTensor* const> operands) {
  if (node.op->kind == OpKind::kernel) return run_subgraph(node.attributes.graph("body"), operands);
  if (!node.op->eval) {
    if (!node.op->expand) internal_error("{} has neither eval nor expand", node.op->name);
    return run_subgraph(expansion(node, graph.operand_types(node)), operands);
  }
  Results results;
  for (const TensorType& type : node.types) results.emplace_back(type.dtype, type.shape);
  node.op->eval({operands, node.attributes, results});
  for (ReferenceTensor& result : results) {
    for (int64_t& integer : result.integers) integer = wrap_to(result.dtype, integer);
  }
  return results;
}

}  // namespace

std::vector<Results> interpret_all(const Graph& graph, const Bindings& bindings) {
  std::vector<Results> values;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.op->kind == OpKind::leaf) {
      values.push_back({bound(graph, node, bindings)});
      continue;
    }
    std::vector<const ReferenceTensor*> operands;
    for (Value operand : node.operands) operands.push_back(&values[operand.node][operand.result]);
    values.push_back(run(graph, node, operands));
  }
  return values;
}

std::vector<ReferenceTensor> interpret(const Graph& graph, const Bindings& bindings) {
  std::vector<Results> values = interpret_all(graph, bindings);
  std::vector<ReferenceTensor> outputs;
  for (const Output& output : graph.outputs())
    outputs.push_back(values[output.value.node][output.value.result]);
  return outputs;
}

}  // namespace ag
