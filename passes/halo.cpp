#include "passes/halo.h"

#include <algorithm>

#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"

namespace ag {
namespace {

int64_t floor_divide(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// Reads of lhs lie between −low and (O − 1)·stride + (K − 1)·rhs_dilation − low on the dilated axis.
Halo conv_halo(const Graph& body, const Node& node) {
  const Shape& lhs = body.type(node.operands[0]).shape;
  const Shape& rhs = body.type(node.operands[1]).shape;
  const Shape& out = node.types[0].shape;
  ConvSpec spec = ConvSpec::of(node);
  Halo halo{Integers(lhs.size(), 0), Integers(lhs.size(), 0)};
  bool any = false;
  for (int s = 0; s < spec.spatial_rank(); ++s) {
    int64_t first = floor_divide(-spec.low[s], spec.lhs_dilation[s]);
    int64_t reach = (out[s + 2] - 1) * spec.stride[s] + (rhs[s + 2] - 1) * spec.rhs_dilation[s] - spec.low[s];
    int64_t last = floor_divide(reach, spec.lhs_dilation[s]);
    halo.low[s + 2] = std::max<int64_t>(0, -first);
    halo.high[s + 2] = std::max<int64_t>(0, last - (lhs[s + 2] - 1));
    any = any || halo.low[s + 2] > 0 || halo.high[s + 2] > 0;
  }
  return any ? halo : Halo{};
}

}  // namespace

void Halo::include(const Halo& other) {
  if (other.empty()) return;
  if (empty()) {
    *this = other;
    return;
  }
  for (size_t axis = 0; axis < low.size(); ++axis) {
    low[axis] = std::max(low[axis], other.low[axis]);
    high[axis] = std::max(high[axis], other.high[axis]);
  }
}

Halo halo_wanted(const Graph& body, size_t operand) {
  Value leaf = body_leaves(body)[operand];
  Halo wanted;
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    if (node.is(ops::conv) && node.operands[0] == leaf) wanted.include(conv_halo(body, node));
  }
  return wanted;
}

}  // namespace ag
