// Rebuilding a graph node by node: the frame of every pass.
#pragma once

#include <vector>

#include "ir/tensor.h"

namespace ag {

// A new graph and, for every value of the old one, the value that takes its place.
//
//   GraphCopy copy(graph);
//   for (int i = 0; i < graph.size(); ++i) {
//     if (wanted(i)) copy.replace({i, 0}, something_else(copy[…]));
//     else copy.node(i);
//   }
//   return copy.finish();
class GraphCopy {
 public:
  explicit GraphCopy(const Graph& from);
  GraphCopy(const GraphCopy&) = delete;

  const Graph& from() const { return from_; }
  Graph& graph() { return graph_; }

  // Appends the old node with its operands mapped, its attributes and its location; its results
  // map to those of the new one, whose index is returned.
  int node(int index);
  // Results of old node `index` are those of node `fresh` of the new graph.
  void map_node(int index, int fresh);
  void replace(Value old, Value fresh) { values_[old.node][old.result] = fresh; }
  void replace(Value old, Tensor fresh) { replace(old, fresh.value()); }

  bool has(Value old) const { return values_[old.node][old.result].valid(); }
  // The new value in place of an old one. InternalError when it has not been made.
  Value operator[](Value old) const;
  Tensor tensor(Value old) { return {graph_, (*this)[old]}; }
  std::vector<Tensor> operands(const Node& old);

  // Maps the outputs and hands over the graph.
  Graph finish();

 private:
  const Graph& from_;
  Graph graph_;
  std::vector<std::vector<Value>> values_;
};

// How many operands and outputs use each value: counts[node][result].
std::vector<std::vector<int>> use_counts(const Graph& graph);

}  // namespace ag
