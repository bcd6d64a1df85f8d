// choose_algorithms: Winograd where it is cheaper. The contract stands in the header.
//
// What: finds convolutions of 3x3 taps along their last two axes without stride and groups, forward
// and backward-data, of images and videos, dilated or not, asks the model, and writes the transform
// of the weights as nodes over them.
//
// Why here: the transformed weights are a value like any other, so layout gives them a layout of
// their own and the planner prepares them.
//
// Left to others: what a convolution costs (codegen/schedule), how it is computed.

#include "passes/algorithm.h"

#include <algorithm>
#include <numeric>

#include "ir/ops/conv.h"
#include "ir/ops/view.h"
#include "ir/ops/winograd.h"
#include "passes/copy.h"
#include "passes/prepared.h"

namespace ag {
namespace {

bool is_candidate(const Graph& graph, const Node& node) {
  const int rank = node.types[0].rank();
  if (!node.is(ops::conv) || rank < 4 || node.types[0].dtype != DType::f32) return false;
  const ConvSpec spec = ConvSpec::of(node);
  const Shape& taps = graph.type(node.operands[1]).shape;
  auto all = [](const Integers& list, auto test) {
    return std::all_of(list.begin(), list.end(), test);
  };
  auto is_one = [](int64_t n) { return n == 1; };
  auto is_padding = [](int64_t n) { return n >= 0; };
  return spec.groups == 1 && taps[rank - 2] == 3 && taps[rank - 1] == 3 &&
         all(spec.stride, is_one) && all(spec.lhs_dilation, is_one) && all(spec.low, is_padding) &&
         all(spec.high, is_padding) && spec.dims.lhs_channel == 1 && spec.dims.out_channel == 1;
}

Tensor transformed(Tensor w, const ConvSpec& spec, int64_t tile) {
  Integers axes(w.rank());
  std::iota(axes.begin(), axes.end(), 0);
  const Integers spatial(axes.begin() + 2, axes.end());
  if (spec.dims.rhs_output == 1) {
    std::swap(axes[0], axes[1]);
    w = transpose(w, axes);
  }
  if (spec.reverse) w = reverse(w, spatial);
  return winograd_weights(w, tile);
}

}  // namespace

Graph choose_algorithms(const Graph& graph, const AlgorithmModel& model) {
  const std::vector<bool> prepared = prepared_nodes(graph);
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    const int64_t tile = is_candidate(graph, node)
                             ? model.winograd_tile(graph, node, prepared[node.operands[1].node])
                             : 0;
    if (tile == 0) {
      copy.node(i);
      continue;
    }
    LocationGuard location(copy.graph(), node.location);
    const ConvSpec spec = ConvSpec::of(node);
    const Tensor u = transformed(copy.tensor(node.operands[1]), spec, tile);
    Integers padding;
    for (size_t axis = 0; axis < spec.low.size(); ++axis)
      padding.insert(padding.end(), {spec.low[axis], spec.high[axis]});
    copy.replace({i, 0}, winograd_conv(copy.tensor(node.operands[0]), u, tile, std::move(padding),
                                       spec.rhs_dilation));
  }
  return copy.finish();
}

}  // namespace ag
