// Kernels: what `fuse` makes. A kernel computes its body, a graph of primitives over logical
// row-major types, from operands to results stored in whatever layouts the layout pass chose.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

// class: what the body is built around ("conv", "reduction", "pointwise", …): picks the schedules.
// body: leaves are the operands in order, outputs the results.
// layouts: tags of the results' layouts, separated by spaces; "-" is row-major; empty: all are.
extern const OpDef kernel;

}  // namespace ag::ops

namespace ag {

// The attribute text for them.
std::string layouts_text(std::span<const TensorType> results);
// The leaves of a kernel's body, in operand order.
std::vector<Value> body_leaves(const Graph& body);

}  // namespace ag
