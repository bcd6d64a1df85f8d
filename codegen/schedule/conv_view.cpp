#include "codegen/schedule/conv_view.h"

#include <set>

#include "ir/ops/contract.h"

namespace ag {

std::optional<ConvView> find_conv(const KernelView& kernel) {
  const Node* found = nullptr;
  for (int i = 0; i < kernel.body.size(); ++i) {
    const Node& node = kernel.body.node(i);
    if (!node.is(ops::conv) && !node.is(ops::matmul)) continue;
    if (found || node.is(ops::matmul)) return std::nullopt;
    found = &node;
  }
  if (!found || found->types[0].rank() < 3) return std::nullopt;
  const ConvSpec spec = ConvSpec::of(*found);
  return ConvView{kernel, *found, spec,
                  ConvExtents(spec, kernel.body.type(found->operands[0]).shape,
                              kernel.body.type(found->operands[1]).shape, found->types[0].shape)};
}

int64_t channel_block(int64_t channels, int64_t lanes) {
  constexpr int64_t kFewChannels = 4;  // below this, blocks would be mostly padding
  if (channels < kFewChannels) return 1;
  int64_t block = lanes;
  while (block > 4 && block / 2 >= channels) block /= 2;
  return block;
}

bool may_test_border(const ConvSpec& spec, const ConvExtents& extents) {
  constexpr int64_t kMostTaps = 9;
  const auto is_one = [](int64_t n) { return n == 1; };
  const bool forward = spec.dims.lhs_channel == 1 && spec.dims.out_channel == 1 && !spec.reverse &&
                       std::all_of(spec.lhs_dilation.begin(), spec.lhs_dilation.end(), is_one);
  return forward && spec.groups == 1 && spec.low.size() == 2 &&
         channel_block(extents.input, kMostTaps) == 1 && element_count(extents.rhs) <= kMostTaps;
}

bool is_depthwise_weights(const ConvSpec& spec, const ConvExtents& extents) {
  const ConvDims& d = spec.dims;
  return spec.groups > 1 && extents.batch == 1 && extents.output == 1 && d.lhs_group == 1 &&
         d.lhs_batch == 1 && d.rhs_group == 1 && d.rhs_output == 1 && d.out_group == 0;
}

std::optional<GroupVectors> group_vectors(const ConvSpec& spec, const ConvExtents& extents,
                                          int64_t lanes) {
  const ConvDims& d = spec.dims;
  const bool features = d.lhs_group == 1 && d.lhs_channel == 1 && d.out_group == 1;
  if (spec.groups == 1 || !features) return std::nullopt;
  const int64_t inputs = extents.input, outputs = extents.output;
  if (inputs == outputs && inputs < lanes && lanes % inputs == 0 &&
      (inputs == 1 || d.rhs_group == d.rhs_output)) {
    const int64_t block = channel_block(spec.groups * outputs, lanes);
    if (block > 1 && block % inputs == 0) return GroupVectors{block, true};
  }
  constexpr int64_t kLeastBlock = 4;
  for (int64_t block = lanes; block >= kLeastBlock; block /= 2) {
    if (inputs % block == 0 && outputs % block == 0) return GroupVectors{block, false};
  }
  return std::nullopt;
}

int64_t distinct_inputs(int64_t tile, int64_t stride, int64_t taps, int64_t dilation) {
  std::set<int64_t> read;
  for (int64_t x = 0; x < tile; ++x) {
    for (int64_t k = 0; k < taps; ++k) read.insert(x * stride + k * dilation);
  }
  return static_cast<int64_t>(read.size());
}

bool is_costly_epilogue(const Graph& body) {
  static constexpr std::string_view kCostly[] = {
      "exp", "log", "tanh", "erf", "sin", "cos", "tan", "pow", "sigmoid", "logistic", "gelu_slope"};
  for (int i = 0; i < body.size(); ++i) {
    const std::string_view name = body.node(i).op->name;
    if (std::find(std::begin(kCostly), std::end(kCostly), name) != std::end(kCostly)) return true;
  }
  return false;
}

}  // namespace ag
