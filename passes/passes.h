// The passes as functions. What each does, and before → after, stands at the head of its file.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/autograd.h"

namespace ag {

Graph simplify(const Graph& graph);
Graph fold_batch_norm(const Graph& graph);
Graph fast_variance(const Graph& graph);
Graph join_convolutions(const Graph& graph);
Graph split_taps(const Graph& graph);
Graph scale_weights(const Graph& graph);
Graph dce(const Graph& graph);
Graph cse(const Graph& graph);

struct ExpandOptions {
  std::vector<std::string> only;  // names of composites to write out; empty: all
  std::vector<std::string> keep;  // names of composites to leave whole
};
Graph expand_composites(const Graph& graph, const ExpandOptions& options = {});

Graph strip_stop_gradient(const Graph& graph);

}  // namespace ag
