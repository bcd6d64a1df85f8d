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
Halo patches_halo(const WinogradSpec& spec, const Shape& in, const Shape& out) {
  Halo halo{Integers(in.size(), 0), Integers(in.size(), 0)};
  for (size_t axis = in.size() - 2; axis < in.size(); ++axis) {
    const int spatial = static_cast<int>(axis) - 2;
    halo.low[axis] = spec.low[spatial];
    halo.high[axis] = spec.reach(spatial, in[axis], out[axis]);
  }
  return halo;
}

// Of the gradient: the elements of the last tiles that do not exist.
Halo winograd_gradient_halo(const Node& node, const Shape& dy) {
  const WinogradSpec spec = WinogradSpec::of(node);
  Halo halo{Integers(4, 0), Integers(4, 0)};
  for (int axis : {0, 1}) {
    const int64_t extent = dy[axis + 2];
    halo.high[axis + 2] = spec.tiles(axis, extent) * spec.tile - extent;
  }
  return halo.high == halo.low ? Halo{} : halo;
}

// Of an operand of the backward-weights: patches, or tiles of the gradient.
Halo winograd_backward_halo(const Graph& body, const Node& node, size_t operand) {
  const Shape &in = body.type(node.operands[0]).shape, &dy = body.type(node.operands[1]).shape;
  if (operand == 1) return winograd_gradient_halo(node, dy);
  return patches_halo(WinogradSpec::of(node), in, dy);
}

// What a node reads around its operand.
Halo halo_of(const Graph& body, const Node& node, size_t operand) {
  if (node.is(ops::winograd_backward_weights)) return winograd_backward_halo(body, node, operand);
  if (operand > 0) return {};
  if (node.is(ops::conv)) return conv_halo(body, node);
  if (!node.is(ops::winograd_conv)) return {};
  return patches_halo(WinogradSpec::of(node), body.type(node.operands[0]).shape,
                      node.types[0].shape);
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
    for (size_t o = 0; o < node.operands.size(); ++o) {
      if (node.operands[o] == leaf) wanted.include(halo_of(body, node, o));
    }
  }
  return wanted;
}

}  // namespace ag
