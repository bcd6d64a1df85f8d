// Which values are computed once, not once a run.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace ag {

// Per node: whether it depends on parameters and state alone, none of which the graph updates.
std::vector<bool> prepared_nodes(const Graph& graph);

}  // namespace ag
