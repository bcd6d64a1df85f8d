#include "passes/prepared.h"

#include <algorithm>

#include "ir/ops/leaf.h"

namespace ag {

std::vector<bool> prepared_nodes(const Graph& graph) {
  std::vector<std::string> updated;
  for (const Output& output : graph.outputs()) {
    if (output.updates) updated.push_back(output.name);
  }
  std::vector<bool> prepared(graph.size(), false);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.op->kind == OpKind::leaf && !node.is(ops::constant)) {
      const std::string name = node.is(ops::input) ? "" : node.attributes.string("name");
      prepared[i] =
          !name.empty() && std::find(updated.begin(), updated.end(), name) == updated.end();
      continue;
    }
    prepared[i] = std::all_of(node.operands.begin(), node.operands.end(),
                              [&](Value operand) { return prepared[operand.node]; });
  }
  return prepared;
}

}  // namespace ag
