// The steps of fusion. Internal to passes/fuse.
#pragma once

#include <set>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "passes/fuse.h"

namespace ag {

// What an op is to fusion.
enum class FusionRole {
  leaf,       // exists already
  generator,  // full, iota, constant: free everywhere
  pointwise,
  view,
  reduction,
  anchor,  // computed once, from stored operands
};
FusionRole fusion_role(const Node& node);
// The class of a kernel around this op; "pointwise" for ops that anchor nothing.
std::string_view kernel_class_of(const OpDef& op);

// Whether a concat is a kernel of its own: along channels, with parts of whole blocks whatever the
// target, so that the parts can be written where the concat's result is.
bool is_stored_concat(const Graph& graph, int node);
// Whether a node is a 1x1 convolution that can compute its input, block by block, as it goes.
bool takes_prologue(const Graph& graph, int node);
// Whether a slice takes every element of a range along the first two axes.
bool is_view_slice(const Graph& graph, int node);

struct FusionGroups {
  // Per node: the roots whose kernels compute it. A root is its own only element; leaves have none.
  std::vector<std::set<int>> roots;
  // Per root: the anchor or first reduction of its kernel, -1 for none. Else unused.
  std::vector<int> anchor;
  // Per node: whether it comes from parameters alone that the graph does not update: computed once,
  // not once a run.
  std::vector<bool> is_constant;
  // Roots that are computed by one kernel, in order.
  std::vector<std::vector<int>> kernels;

  bool is_root(int node) const { return roots[node].size() == 1 && *roots[node].begin() == node; }
};

FusionGroups choose_roots(const Graph& graph, const FuseOptions& options);
// Merges kernels over one domain that share operands or feed each other directly.
void merge_siblings(const Graph& graph, FusionGroups& groups);
Graph build_kernels(const Graph& graph, const FusionGroups& groups);

}  // namespace ag
