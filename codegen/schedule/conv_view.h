// The convolution of a kernel, as the choosers of schedules see it.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "codegen/schedule/choose.h"
#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"

namespace ag {

// Whether a convolution can test for the border of an image without a halo as it goes: few
// channels, each a plane, and few taps, so that the code of the border's own tiles stays short.
bool may_test_border(const ConvSpec& spec, const ConvExtents& extents);

// The convolution of a kernel, and how it is stored.
struct ConvView {
  const KernelView& kernel;
  const Node& node;
  ConvSpec spec;
  ConvExtents extents;

  const Shape& result() const { return node.types[0].shape; }
  int rank() const { return node.types[0].rank(); }
  const BufferForm* form(size_t operand) const { return kernel.form_of(node.operands[operand]); }
  // Whether a kernel copies its input with zeros around it: a buffer without a halo, or none.
  bool copies_input() const {
    const BufferForm* input = form(0);
    const auto none = [](const Integers& padding) {
      return std::all_of(padding.begin(), padding.end(), [](int64_t p) { return p == 0; });
    };
    return !input || (input->halo.empty() && !(none(spec.low) && none(spec.high)));
  }
  bool tests_border() const { return form(0) && copies_input() && may_test_border(spec, extents); }
  // Vector registers one block of channels takes.
  int64_t registers_of(int64_t block) const {
    const int64_t lanes = kernel.target.lanes(static_cast<int>(size_of(node.types[0].dtype)));
    return (block + lanes - 1) / lanes;
  }
  // Whether the kernel also sums its result over positions.
  bool sums_result() const {
    return std::any_of(kernel.results.begin(), kernel.results.end(),
                       [&](const BufferForm& form) { return form.type.shape != result(); });
  }
  // Whether the rows of a task must divide the image's.
  bool wants_even_tasks() const { return (copies_input() && !tests_border()) || sums_result(); }
  double flops() const { return static_cast<double>(node.op->flops(node, operand_types())); }
  std::vector<TensorType> operand_types() const { return kernel.body.operand_types(node); }
};

// The kernel's convolution, where it is its only contraction.
std::optional<ConvView> find_conv(const KernelView& kernel);

// How the channels of a convolution with feature groups fill vectors.
struct GroupVectors {
  int64_t block;  // channels of a vector
  // Every lane reads an input channel of its own: a vector holds several groups, or channels that
  // are groups themselves (depthwise). Else a group is one vector or several.
  bool several_groups;
};

// nullopt where the groups are not along the channels of lhs and result, or fill no vectors.
std::optional<GroupVectors> group_vectors(const ConvSpec& spec, const ConvExtents& extents,
                                          int64_t lanes);

// Backward-weights of a depthwise convolution: channels, each a group, along axis 1 of both
// operands and axis 0 of the result.
bool is_depthwise_weights(const ConvSpec& spec, const ConvExtents& extents);

// The block of an axis with this many channels: a vector, or half of one and less when the channels
// do not fill it. 1: leave the axis alone.
int64_t channel_block(int64_t channels, int64_t lanes);

// How many different inputs `tile` neighbouring positions of a window of `taps` read along an axis.
int64_t distinct_inputs(int64_t tile, int64_t stride, int64_t taps, int64_t dilation);

// Whether the body computes functions that are too long to be unrolled.
bool is_costly_epilogue(const Graph& body);

}  // namespace ag
