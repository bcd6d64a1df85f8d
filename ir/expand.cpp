#include "ir/expand.h"

#include "ir/internal_error.h"
#include "ir/ops/leaf.h"

namespace ag {

std::vector<Tensor> expand(const Node& node, std::span<const Tensor> operands) {
  LocationGuard location(operands[0].graph(), node.location);
  std::vector<Tensor> results = node.op->expand({operands, node.attributes, node.types});
  for (size_t i = 0; i < node.types.size(); ++i) {
    if (results.at(i).type().with_layout({}) != node.types[i].with_layout({})) {
      internal_error("expansion of {} gives {} where the shape rule says {}", node.op->name,
                     to_string(results[i].type()), to_string(node.types[i]));
    }
  }
  return results;
}

Graph expansion(const Node& node, std::span<const TensorType> operands) {
  Graph graph{std::string(node.op->name)};
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < operands.size(); ++i) {
    inputs.push_back(
        {graph, graph.add_leaf(ops::input, std::to_string(i), operands[i], node.location)});
  }
  std::vector<Tensor> results = expand(node, inputs);
  for (size_t i = 0; i < results.size(); ++i)
    graph.add_output(std::to_string(i), results[i].value());
  return graph;
}

}  // namespace ag
