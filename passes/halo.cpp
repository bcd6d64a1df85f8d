#include "passes/halo.h"

#include <algorithm>

#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"
#include "ir/ops/winograd.h"

namespace ag {
namespace {

Halo conv_halo(const Graph& body, const Node& node) {
  const Shape& lhs = body.type(node.operands[0]).shape;
  const ConvSpec spec = ConvSpec::of(node);
  const ConvExtents extents(spec, lhs, body.type(node.operands[1]).shape, node.types[0].shape);
  const ConvReach reach = conv_reach(spec, extents);
  auto is_zero = [](int64_t n) { return n == 0; };
  if (std::all_of(reach.low.begin(), reach.low.end(), is_zero) &&
      std::all_of(reach.high.begin(), reach.high.end(), is_zero)) {
    return {};
  }
  Halo halo{{0, 0}, {0, 0}};
  halo.low.insert(halo.low.end(), reach.low.begin(), reach.low.end());
  halo.high.insert(halo.high.end(), reach.high.begin(), reach.high.end());
  return halo;
}

// The patches of the last tiles reach behind the padding where tiles do not divide the result.
Halo winograd_halo(const Graph& body, const Node& node) {
  const WinogradSpec spec = WinogradSpec::of(node);
  const Shape &in = body.type(node.operands[0]).shape, &out = node.types[0].shape;
  Halo halo{Integers(in.size(), 0), Integers(in.size(), 0)};
  for (size_t axis = in.size() - 2; axis < in.size(); ++axis) {
    const int spatial = static_cast<int>(axis) - 2;
    halo.low[axis] = spec.low[spatial];
    halo.high[axis] = spec.reach(spatial, in[axis], out[axis]);
  }
  return halo;
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
    if (node.operands.empty() || node.operands[0] != leaf) continue;
    if (node.is(ops::conv)) wanted.include(conv_halo(body, node));
    if (node.is(ops::winograd_conv)) wanted.include(winograd_halo(body, node));
  }
  return wanted;
}

}  // namespace ag
