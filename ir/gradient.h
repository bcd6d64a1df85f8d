// What a gradient rule sees.
#pragma once

#include "ir/infer.h"
#include "ir/tensor.h"

namespace ag {

// Rules append to `graph` and hand back gradients: g.dx(0, g.dy() * (1.0 - g.y() * g.y())).
struct GradContext {
  Graph& graph;
  const Node& node;
  int index;  // of the node
  // Gradients of the node's results; invalid where none flows.
  std::span<const Tensor> result_gradients;
  // Operands whose gradient is wanted.
  const std::vector<bool>& wanted;
  // Filled by dx().
  std::vector<Tensor>& operand_gradients;

  Tensor x(size_t i = 0) const { return {graph, node.operands[i]}; }
  Tensor y(int i = 0) const { return {graph, Value{index, i}}; }
  // Gradient of result i. A result without one has the gradient zero, made here on demand.
  Tensor dy(size_t i = 0) const;
  bool has_dy(size_t i) const { return result_gradients[i].valid(); }
  bool wants(size_t i) const { return wanted[i]; }
  // Skipped when operand i's gradient is not wanted; so is the work when wrapped in `wants`.
  void dx(size_t i, Tensor gradient) {
    if (wanted[i]) operand_gradients[i] = gradient;
  }
  const Attributes& attributes() const { return node.attributes; }
};

}  // namespace ag
