// fold_batch_norm: inference batch normalisation into the convolution before it
//
// scale · (conv(x, w) + b − mean) / √(variance + ε) + bias is a convolution with the weights w · s
// and the bias (b − mean) · s + bias, where s = scale / √(variance + ε) per output channel. The new
// weights and bias are nodes over parameters and state alone, so `prepare` computes them once.
//
//   %1 = conv(%x, %w)                                            %1 = … s …
//   %2 = batch_norm_inference(%1, %scale, %bias, %mean, %var) => %2 = multiply(%w, broadcast(%1))
//   return y=%2                                                  %3 = conv(%x, %2)
//                                                                %4 = … (−mean) · s + bias …
//                                                                %5 = add(%3, broadcast(%4))
//
// Only where the convolution (or its sum with a bias) has no other use and its result's axis 1
// holds the output channels.
#include "ir/ops/conv.h"
#include "ir/ops/norm.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "passes/copy.h"
#include "passes/passes.h"

namespace ag {
namespace {

// conv, or add(conv, broadcast(bias)) with one value per channel.
struct FoldableConv {
  int conv = -1;  // node
  Value bias;     // rank 1; invalid when there is none
};

bool is_channel_broadcast(const Graph& graph, const Node& node) {
  return node.is(ops::broadcast) && graph.type(node.operands[0]).rank() == 1 &&
         node.attributes.integers("axes") == Integers{1};
}

class BatchNormFolding {
 public:
  explicit BatchNormFolding(const Graph& graph) : graph_(graph), uses_(use_counts(graph)) {}

  Graph run() {
    GraphCopy copy(graph_);
    for (int i = 0; i < graph_.size(); ++i) {
      const Node& node = graph_.node(i);
      FoldableConv source =
          node.is(ops::batch_norm_inference) ? foldable(node.operands[0]) : FoldableConv{};
      if (source.conv < 0) {
        copy.node(i);
        continue;
      }
      LocationGuard location(copy.graph(), node.location);
      copy.replace({i, 0}, folded(copy, node, source));
    }
    return dce(copy.finish());
  }

 private:
  bool used_once(Value value) const { return uses_[value.node][value.result] == 1; }

  bool is_conv(Value value) const {
    const Node& node = graph_.node(value);
    if (!node.is(ops::conv) || !used_once(value)) return false;
    ConvSpec spec = ConvSpec::of(node);
    bool grouped_alike = !spec.dims.grouped() ||
                         (spec.dims.out_group == 1 && spec.dims.rhs_group == spec.dims.rhs_output);
    return spec.dims.out_channel == 1 && grouped_alike;
  }

  FoldableConv foldable(Value x) const {
    if (is_conv(x)) return {x.node, {}};
    const Node& node = graph_.node(x);
    if (!node.is(ops::add) || !used_once(x)) return {};
    for (int first : {0, 1}) {
      const Node& other = graph_.node(node.operands[1 - first]);
      if (is_conv(node.operands[first]) && is_channel_broadcast(graph_, other))
        return {node.operands[first].node, other.operands[0]};
    }
    return {};
  }

  Tensor folded(GraphCopy& copy, const Node& node, const FoldableConv& source) const {
    Tensor scale = copy.tensor(node.operands[1]), bias = copy.tensor(node.operands[2]);
    Tensor mean = copy.tensor(node.operands[3]), variance = copy.tensor(node.operands[4]);
    Tensor factor = scale * rsqrt(variance + node.attributes.number("epsilon"));

    const Node& conv = graph_.node(source.conv);
    Tensor weights = copy.tensor(conv.operands[1]);
    int64_t channel_axis = ConvSpec::of(conv).dims.rhs_output;
    Tensor new_weights = weights * broadcast(factor, weights.shape(), {channel_axis});
    Tensor new_bias = bias - mean * factor;
    if (source.bias.valid()) new_bias = copy.tensor(source.bias) * factor + new_bias;

    Tensor y(copy.graph(),
             copy.graph().add(ops::conv, {copy[conv.operands[0]], new_weights.value()},
                              conv.attributes, conv.location));
    return y + broadcast(new_bias, y.shape(), {1});
  }

  const Graph& graph_;
  std::vector<std::vector<int>> uses_;
};

}  // namespace

Graph fold_batch_norm(const Graph& graph) { return BatchNormFolding(graph).run(); }

}  // namespace ag
