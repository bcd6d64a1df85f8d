// Composites written out.
#pragma once

#include "ir/tensor.h"

namespace ag {

// Appends the expansion of a composite to the operands' graph and returns its results. Checks that
// their types are those the op's shape rule gave.
std::vector<Tensor> expand(const Node& node, std::span<const Tensor> operands);

// A graph of its own that computes the node: inputs "0", "1", … and outputs "0", "1", …
Graph expansion(const Node& node, std::span<const TensorType> operands);

}  // namespace ag
