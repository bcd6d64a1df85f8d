// strip_stop_gradient: what only autograd reads
//
// Replaces stop_gradient by its operand. For after the last differentiation: before it, gradients
// would flow again.
//
//   %1: f32[4] = stop_gradient(%x)      %1: f32[4] = relu(%x)
//   %2: f32[4] = relu(%1)         =>    return y=%1
//   return y=%2
#include "ir/ops/pointwise.h"
#include "passes/copy.h"
#include "passes/passes.h"

namespace ag {

Graph strip_stop_gradient(const Graph& graph) {
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.is(ops::stop_gradient))
      copy.replace({i, 0}, copy[node.operands[0]]);
    else
      copy.node(i);
  }
  return copy.finish();
}

}  // namespace ag
