#include "passes/copy.h"

#include "ir/internal_error.h"

namespace ag {

GraphCopy::GraphCopy(const Graph& from) : from_(from), graph_(from.name()) {
  for (int i = 0; i < from.size(); ++i) values_.emplace_back(from.node(i).types.size());
}

int GraphCopy::node(int index) {
  const Node& old = from_.node(index);
  int fresh = 0;
  if (old.op->kind == OpKind::leaf) {
    fresh =
        graph_.add_leaf(*old.op, old.attributes.string("name"), old.types[0], old.location).node;
  } else {
    std::vector<Value> operands;
    for (Value operand : old.operands) operands.push_back((*this)[operand]);
    fresh = graph_.append(*old.op, std::move(operands), old.attributes, old.location);
  }
  map_node(index, fresh);
  return fresh;
}

void GraphCopy::map_node(int index, int fresh) {
  for (int result = 0; result < static_cast<int>(values_[index].size()); ++result)
    values_[index][result] = {fresh, result};
}

Value GraphCopy::operator[](Value old) const {
  Value fresh = values_[old.node][old.result];
  if (!fresh.valid())
    internal_error("{} was left out of a copy but is used", from_.node(old).op->name);
  return fresh;
}

std::vector<Tensor> GraphCopy::operands(const Node& old) {
  std::vector<Tensor> tensors;
  for (Value operand : old.operands) tensors.push_back(tensor(operand));
  return tensors;
}

Graph GraphCopy::finish() {
  for (const Output& output : from_.outputs()) {
    if (output.updates)
      graph_.add_update(output.name, (*this)[output.value]);
    else
      graph_.add_output(output.name, (*this)[output.value]);
  }
  return std::move(graph_);
}

std::vector<std::vector<int>> use_counts(const Graph& graph) {
  std::vector<std::vector<int>> counts;
  for (int i = 0; i < graph.size(); ++i) {
    counts.emplace_back(graph.node(i).types.size(), 0);
    for (Value operand : graph.node(i).operands) ++counts[operand.node][operand.result];
  }
  for (const Output& output : graph.outputs()) ++counts[output.value.node][output.value.result];
  return counts;
}

}  // namespace ag
