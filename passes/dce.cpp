// dce: dead code elimination
//
// Keeps the nodes that an output depends on and every leaf: inputs, parameters and state are the
// graph's signature, whether used or not.
//
//   %1: f32[4] = relu(%x)
//   %2: f32[4] = tanh(%x)         =>    %1: f32[4] = relu(%x)
//   return y=%1                         return y=%1
#include "passes/copy.h"
#include "passes/passes.h"

namespace ag {
namespace {

std::vector<bool> live_nodes(const Graph& graph) {
  std::vector<bool> live(graph.size(), false);
  for (const Output& output : graph.outputs()) live[output.value.node] = true;
  for (int i = graph.size() - 1; i >= 0; --i) {
    const Node& node = graph.node(i);
    if (node.op->kind == OpKind::leaf) live[i] = true;
    if (!live[i]) continue;
    for (Value operand : node.operands) live[operand.node] = true;
  }
  return live;
}

}  // namespace

Graph dce(const Graph& graph) {
  std::vector<bool> live = live_nodes(graph);
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    if (live[i]) copy.node(i);
  }
  return copy.finish();
}

}  // namespace ag
