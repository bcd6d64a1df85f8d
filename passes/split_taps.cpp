// split_taps: convolutions whose taps mostly meet padding
//
// What: a convolution that is dilated nearly as far as its image is large (the atrous pyramid of
// DeepLab) multiplies zeros for most of its taps. It becomes a sum of 1x1 convolutions, one for
// each tap that meets an element, each over the positions where it does.
//
//   %1: f32[1,8,4,4] = conv(%x, %w, padding=[3,3,3,3], rhs_dilation=[3,3])
// becomes, for each of nine taps,
//   %2: f32[8,8,1,1] = slice(%w, start=[0,0,0,0], limit=[8,8,1,1])
//   %3: f32[1,8,1,1] = conv(%x, %2, padding=[0,-3,0,-3])
//   %4: f32[1,8,4,4] = pad(%3, low=[0,0,3,3])
// and their sum.
//
// Left to others: slices of weights are prepared (codegen/plan); pads and sum are one kernel
// (fuse).

#include <algorithm>

#include "ir/ops/conv.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "passes/copy.h"
#include "passes/passes.h"

namespace ag {
namespace {

// More of the taps than this must meet padding; then what is saved pays for the sum.
constexpr double kMostUsed = 0.7;
// Products of an output element of one tap: with fewer the sum weighs too much.
constexpr int64_t kLeastChannels = 64;

// The part of all taps and positions that meets elements.
double used_part(const ConvSpec& spec, const ConvExtents& extents) {
  double used = 1;
  for (int axis = 0; axis < spec.spatial_rank(); ++axis) used *= used_taps(spec, extents, axis);
  return used;
}

bool is_candidate(const ConvSpec& spec, const ConvExtents& extents) {
  auto ones = [](const Integers& list) {
    return std::all_of(list.begin(), list.end(), [](int64_t n) { return n == 1; });
  };
  const bool plain = spec.dims.text() == ConvDims().text() && spec.groups == 1 && !spec.reverse;
  return plain && ones(spec.stride) && ones(spec.lhs_dilation) && !ones(spec.rhs_dilation) &&
         extents.input >= kLeastChannels && element_count(extents.out) > 0;
}

// What one tap adds to the result; no tensor where it meets nothing.
Tensor part_of_tap(Tensor x, Tensor w, const ConvSpec& spec, const ConvExtents& extents,
                   const Integers& tap) {
  Integers start(w.rank(), 0), limit = w.shape(), low(w.rank(), 0), high(w.rank(), 0), padding;
  for (int axis = 0; axis < spec.spatial_rank(); ++axis) {
    const TapReach reach = tap_reach(spec, extents, axis, tap[axis]);
    if (reach.begin == reach.end) return {};
    start[axis + 2] = tap[axis];
    limit[axis + 2] = tap[axis] + 1;
    padding.push_back(-reach.first);
    padding.push_back(reach.first + reach.end - reach.begin - extents.lhs[axis]);
    low[axis + 2] = reach.begin;
    high[axis + 2] = extents.out[axis] - reach.end;
  }
  const Tensor part = conv(x, slice(w, start, limit), {.padding = padding});
  const Integers none(w.rank(), 0);
  return low == none && high == none ? part : pad(part, low, high);
}

}  // namespace

Graph split_taps(const Graph& graph) {
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (!node.is(ops::conv)) {
      copy.node(i);
      continue;
    }
    const ConvSpec spec = ConvSpec::of(node);
    const ConvExtents extents(spec, graph.type(node.operands[0]).shape,
                              graph.type(node.operands[1]).shape, node.types[0].shape);
    if (!is_candidate(spec, extents) || used_part(spec, extents) > kMostUsed) {
      copy.node(i);
      continue;
    }
    LocationGuard location(copy.graph(), node.location);
    const std::vector<Tensor> operands = copy.operands(node);
    Tensor sum;
    for_each_index(extents.rhs, [&](const Integers& tap) {
      const Tensor part = part_of_tap(operands[0], operands[1], spec, extents, tap);
      if (part.valid()) sum = sum.valid() ? sum + part : part;
    });
    if (sum.valid()) {
      copy.replace({i, 0}, sum);
    } else {
      copy.node(i);
    }
  }
  return copy.finish();
}

}  // namespace ag
