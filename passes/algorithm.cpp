// choose_algorithms: Winograd where it is cheaper. The contract stands in the header.
//
// What: finds convolutions of 3x3 taps along their last two axes without stride and groups, forward
// and backward-data, of images and videos, dilated or not, asks the model, and writes the transform
// of the weights as a node over them. The gradient of such a convolution of images towards its
// weights, which is a convolution with 3x3 results, is asked for on its own.
//
// Why here: the transformed weights are a value like any other, so layout gives them a layout of
// their own and the planner prepares them.
//
// Left to others: what a convolution costs (codegen/schedule), how it is computed.

#include "passes/algorithm.h"

#include <algorithm>
#include <optional>

#include "ir/ops/conv.h"
#include "ir/ops/winograd.h"
#include "passes/copy.h"
#include "passes/prepared.h"

namespace ag {
namespace {

// No strides, holes, groups or cropping.
bool is_dense(const ConvSpec& spec) {
  auto all = [](const Integers& list, auto test) {
    return std::all_of(list.begin(), list.end(), test);
  };
  auto is_one = [](int64_t n) { return n == 1; };
  auto is_padding = [](int64_t n) { return n >= 0; };
  return spec.groups == 1 && all(spec.stride, is_one) && all(spec.lhs_dilation, is_one) &&
         all(spec.low, is_padding) && all(spec.high, is_padding);
}

bool has_3x3_taps(const Shape& shape) {
  return shape.size() >= 4 && shape.end()[-2] == 3 && shape.back() == 3;
}

bool is_candidate(const Graph& graph, const Node& node) {
  if (!node.is(ops::conv) || node.types[0].dtype != DType::f32) return false;
  const ConvSpec spec = ConvSpec::of(node);
  return has_3x3_taps(graph.type(node.operands[1]).shape) && is_dense(spec) &&
         spec.dims.lhs_channel == 1 && spec.dims.out_channel == 1;
}

// The gradient of a convolution of images towards its weights [o, i, 3, 3].
bool is_weights_candidate(const Node& node) {
  if (!node.is(ops::conv) || node.types[0].dtype != DType::f32 || node.types[0].rank() != 4)
    return false;
  const ConvSpec spec = ConvSpec::of(node);
  const ConvDims& dims = spec.dims;
  return has_3x3_taps(node.types[0].shape) && is_dense(spec) && !spec.reverse &&
         spec.rhs_dilation == Integers{1, 1} && dims.lhs_channel == 0 && dims.rhs_input == 0 &&
         dims.out_channel == 0;
}

Integers padding_of(const ConvSpec& spec) {
  Integers padding;
  for (size_t axis = 0; axis < spec.low.size(); ++axis)
    padding.insert(padding.end(), {spec.low[axis], spec.high[axis]});
  return padding;
}

// What computes a node instead of it; nothing where it stays.
std::optional<Tensor> replacement(const Graph& graph, int i, bool prepared,
                                  const AlgorithmModel& model, GraphCopy& copy) {
  const Node& node = graph.node(i);
  const bool forward = is_candidate(graph, node), weights = is_weights_candidate(node);
  int64_t tile = 0;
  if (forward) tile = model.winograd_tile(graph, node, prepared);
  if (weights) tile = model.winograd_weights_tile(graph, node);
  if (tile == 0) return std::nullopt;
  LocationGuard location(copy.graph(), node.location);
  const ConvSpec spec = ConvSpec::of(node);
  const Tensor x = copy.tensor(node.operands[0]), other = copy.tensor(node.operands[1]);
  if (weights) return winograd_backward_weights(x, other, tile, padding_of(spec));
  const Tensor u = winograd_weights(other, tile, spec.dims.rhs_output == 1, spec.reverse);
  return winograd_conv(x, u, tile, padding_of(spec), spec.rhs_dilation);
}

}  // namespace

Graph choose_algorithms(const Graph& graph, const AlgorithmModel& model) {
  const std::vector<bool> prepared = prepared_nodes(graph);
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    const bool of_prepared = node.operands.size() > 1 && prepared[node.operands[1].node];
    if (const auto other = replacement(graph, i, of_prepared, model, copy))
      copy.replace({i, 0}, *other);
    else
      copy.node(i);
  }
  return copy.finish();
}

}  // namespace ag
