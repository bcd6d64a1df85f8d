// The reference interpreter: runs any graph, floats in double, integers in 64 bit.
#pragma once

#include <map>
#include <string>

#include "ir/graph.h"

namespace ag {

// Values of inputs, parameters and state by name.
using Bindings = std::map<std::string, ReferenceTensor, std::less<>>;

// The graph's outputs in order. Composites run through their expansion, kernels through their body.
// Throws CompileError when a leaf is not bound or its binding has another shape or dtype.
std::vector<ReferenceTensor> interpret(const Graph& graph, const Bindings& bindings);

// Every result of every node: values[node][result].
std::vector<std::vector<ReferenceTensor>> interpret_all(const Graph& graph,
                                                        const Bindings& bindings);

}  // namespace ag
