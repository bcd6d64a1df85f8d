// Which values a kernel may compute row by row. Internal to passes/fuse.
#pragma once

#include <set>
#include <vector>

#include "passes/fusion_groups.h"

namespace ag {

// Rows are what lies along the last axis of a kernel's root: softmax and norms fold them and use
// the result for each element of the same row. Asked while roots are chosen, from the last node on.
class RowFlow {
 public:
  // `uses` holds the users of each node; both must outlive this.
  RowFlow(const Graph& graph, const std::vector<std::vector<int>>& uses, const FusionGroups& groups)
      : graph_(graph), uses_(uses), groups_(groups) {}

  // Whether a node is a sum or an extremum along the rows of what has the root's shape.
  bool folds_rows(const Node& node, int root) const;
  // Whether a value reaches the root row by row: through elementwise ops and folds of rows,
  // repeated along rows, but never moved to another row by a view.
  bool stays_in_rows(int i, int root) const;
  // Whether a value with one element per row is computed from a fold of the root's rows.
  bool comes_from_rows(int i, int root) const;
  // Whether a value made of rows that are folded (a norm) is read through a view next: it ends a
  // kernel by rows.
  bool ends_rows(int i) const;

 private:
  bool is_live(int i) const { return !groups_.roots[i].empty(); }
  bool keeps_rows(const Node& node, int root) const;

  const Graph& graph_;
  const std::vector<std::vector<int>>& uses_;
  const FusionGroups& groups_;
};

}  // namespace ag
