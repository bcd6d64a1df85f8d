// scale_weights: a 1x1 convolution of scaled channels is one with scaled weights
//
// What: a convolution of one tap whose operand is multiplied by one factor for each channel
// multiplies its weights by these factors instead.
//
//   %1: f32[1,96,56,56] = broadcast(%gate: f32[1,96,1,1], axes=[0,1,2,3])
//   %2: f32[1,96,56,56] = multiply(%x, %1)
//   %3: f32[1,24,56,56] = conv(%2, %w: f32[24,96,1,1])
// becomes
//   %1: f32[24,96,1,1] = broadcast(%gate, axes=[0,1,2,3])
//   %2: f32[24,96,1,1] = multiply(%w, %1)
//   %3: f32[1,24,56,56] = conv(%x, %2)
//
// Why: behind squeeze-and-excitation, which weighs the channels of an image, the activation was
// read, scaled and written once more for the convolution to read it again.
//
// When: there is one image (factors differ from image to image), fewer weights than activations,
// nobody else reads the scaled activation, and the weights are prepared.
//
// Left to others: the layout the weights are scaled in (layout), schedules.

#include <algorithm>
#include <optional>

#include "ir/ops/conv.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "passes/copy.h"
#include "passes/passes.h"
#include "passes/prepared.h"

namespace ag {
namespace {

// A product of an activation and a factor for each of its channels.
struct ScaledChannels {
  Value activation, factors;
  Integers axes;  // of the activation, and so of the weights: one for each axis of the factors
};

// Whether a broadcast repeats one value for each channel (axis 1).
bool repeats_channels(const Graph& graph, const Node& node) {
  if (!node.is(ops::broadcast)) return false;
  const Shape &from = graph.type(node.operands[0]).shape, &to = node.types[0].shape;
  const Integers& axes = node.attributes.integers("axes");
  if (element_count(from) != to[1]) return false;
  for (size_t axis = 0; axis < from.size(); ++axis) {
    if (from[axis] != 1 && axes[axis] != 1) return false;
  }
  return true;
}

std::optional<ScaledChannels> scaled_channels(const Graph& graph, Value value) {
  const Node& node = graph.node(value);
  if (!node.is(ops::multiply)) return std::nullopt;
  for (const size_t factor : {0, 1}) {
    const Node& repeated = graph.node(node.operands[factor]);
    if (repeats_channels(graph, repeated))
      return ScaledChannels{node.operands[1 - factor], repeated.operands[0],
                            repeated.attributes.integers("axes")};
  }
  return std::nullopt;
}

bool is_candidate(const Graph& graph, const Node& node) {
  const ConvSpec spec = ConvSpec::of(node);
  const TensorType &lhs = graph.type(node.operands[0]), &rhs = graph.type(node.operands[1]);
  const bool plain = spec.dims.text() == ConvDims().text() && spec.groups == 1;
  return plain && lhs.rank() >= 3 && lhs.shape[0] == 1 && lhs.shape[1] > 1 &&
         rhs.count() == rhs.shape[0] * rhs.shape[1] && rhs.count() < lhs.count();
}

Tensor with_scaled_weights(GraphCopy& copy, const Node& conv, const ScaledChannels& scaled) {
  const Tensor w = copy.tensor(conv.operands[1]);
  const Tensor weights = w * broadcast(copy.tensor(scaled.factors), w.shape(), scaled.axes);
  return {copy.graph(), copy.graph().add(ops::conv, {copy[scaled.activation], weights.value()},
                                         conv.attributes, conv.location)};
}

}  // namespace

Graph scale_weights(const Graph& graph) {
  const std::vector<std::vector<int>> uses = use_counts(graph);
  const std::vector<bool> prepared = prepared_nodes(graph);
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    std::optional<ScaledChannels> scaled;
    if (node.is(ops::conv) && is_candidate(graph, node) && prepared[node.operands[1].node]) {
      const Value operand = node.operands[0];
      if (uses[operand.node][operand.result] == 1) scaled = scaled_channels(graph, operand);
    }
    if (!scaled) {
      copy.node(i);
      continue;
    }
    LocationGuard location(copy.graph(), graph.node(node.operands[0]).location);
    copy.replace({i, 0}, with_scaled_weights(copy, node, *scaled));
  }
  return copy.finish();
}

}  // namespace ag
