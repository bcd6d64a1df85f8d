// The convolution, whatever it is one of: forward, transposed, either backward, depthwise, grouped.

#include "ir/ops/conv.h"

#include <algorithm>

#include "codegen/lower/lowering.h"

namespace ag::lower {
namespace {

using Halide::Expr;

// Index along one of a tensor's first two axes: groups lie group-major on the axis that holds them.
Expr grouped(bool holds_groups, const Expr& group, int64_t extent, const Expr& within) {
  return holds_groups ? group * static_cast<int>(extent) + within : within;
}

// Input channels to sum over: up to a multiple of four, so that loops over parts of blocks of
// channels have no remainder, where both operands have padding lanes (they hold zero). Not all
// padding lanes: of 24 channels in blocks of 16 a quarter of the sum would be zeros.
int64_t summed_channels(const LowerContext& c, const ConvSpec& spec, const ConvExtents& extents) {
  if (spec.groups > 1) return extents.input;
  constexpr int64_t kPart = 4;
  return std::min({(extents.input + kPart - 1) / kPart * kPart,
                   c.stored_extent(0, spec.dims.lhs_channel),
                   c.stored_extent(1, spec.dims.rhs_input)});
}

// Whether taps in front of the last two axes that meet padding are left out, by the bounds of their
// loop; those of the last two are not worth a test, since a halo holds zeros for them.
bool skips_padding(const ConvSpec& spec, int axis) {
  const bool by_positions = spec.dims.lhs_channel == 1 && spec.dims.out_channel == 1;
  return by_positions && (spec.low[axis] > 0 || spec.high[axis] > 0);
}

// Whether the windows stay inside the left operand's buffer.
bool has_halo(const LowerContext& c, const ConvReach& reach) {
  const int leaf = c.operand_leaf(0);
  for (size_t s = 0; s < reach.low.size(); ++s) {
    BufferForm::Halo halo;
    if (leaf >= 0 && !c.kernel.operand_forms[leaf].halo.empty()) {
      halo = c.kernel.operand_forms[leaf].halo[s + 2];
    }
    if (reach.low[s] > halo.low || reach.high[s] > halo.high) return false;
  }
  return true;
}

// The left operand, zero where it does not exist.
Halide::Func padded_operand(const LowerContext& c, const ConvSpec& spec,
                            const ConvExtents& extents) {
  const ConvReach reach = conv_reach(spec, extents);
  Integers low(2, 0), high(2, 0);
  low.insert(low.end(), reach.low.begin(), reach.low.end());
  high.insert(high.end(), reach.high.begin(), reach.high.end());
  const std::vector<Halide::Var> variables = logical_variables(c.result_type().rank());
  Halide::Func padded("padded_" + std::to_string(c.index));
  padded(variables) =
      c.operand_or_zero(0, Coordinates(variables.rbegin(), variables.rend()), low, high, true);
  return padded;
}

// The input channels of a block of weights, where the body computes the input of a 1x1 convolution;
// else 0.
int64_t prologue_block(const LowerContext& c, const ConvSpec& spec, const ConvExtents& extents) {
  const int weights = c.operand_leaf(1);
  const bool computed = c.operand_leaf(0) < 0 && c.result_type().rank() == 4;
  if (!computed || weights < 0 || spec.groups != 1 || spec.dims.lhs_channel != 1) return 0;
  const int64_t block = c.kernel.operand_forms[weights].type.layout.block_of(spec.dims.rhs_input);
  return block > 1 && extents.input % block == 0 ? block : 0;
}

// Reads the computed input through blocks of channels, so that it can be stored in them.
Expr through_prologue(const LowerContext& c, Contraction& contraction, int64_t channels,
                      const Coordinates& at) {
  const int block = static_cast<int>(channels);
  const Halide::Var lane("lane"), x("x"), y("y"), of("block"), image("image");
  contraction.prologue = Halide::Func("prologue_" + std::to_string(c.index));
  contraction.prologue(lane, x, y, of, image) = c.operand(0, {image, of * block + lane, y, x});
  contraction.prologue_block = channels;
  return contraction.prologue(at[1] % block, at[3], at[2], at[1] / block, at[0]);
}

void lower_conv(LowerContext& c) {
  const Shape& out = c.result_type().shape;
  const ConvSpec spec = ConvSpec::of(c.node());
  const ConvDims& d = spec.dims;
  const ConvExtents extents(spec, c.operand_type(0).shape, c.operand_type(1).shape, out);
  const int rank = static_cast<int>(out.size()), spatial = rank - 2;

  Contraction contraction = start_contraction(c, summed_channels(c, spec, extents), extents.rhs);
  const std::vector<Halide::Var> variables = logical_variables(rank);
  const Coordinates at(variables.rbegin(), variables.rend());
  Expr n = at[d.out_batch], o = at[d.out_channel], i = contraction.channel, group = 0;
  if (spec.groups > 1) {
    const bool batch_holds = d.out_group == d.out_batch;
    Expr& holder = batch_holds ? n : o;
    const int extent = static_cast<int>(batch_holds ? extents.batch : extents.output);
    group = holder / extent;
    holder = holder % extent;
  }

  Coordinates lhs(rank), rhs(rank);
  lhs[d.lhs_batch] = grouped(d.lhs_group == d.lhs_batch, group, extents.batch, n);
  lhs[d.lhs_channel] = grouped(d.lhs_group == d.lhs_channel, group, extents.input, i);
  rhs[d.rhs_output] = grouped(d.rhs_group == d.rhs_output, group, extents.output, o);
  rhs[d.rhs_input] = grouped(d.rhs_group == d.rhs_input, group, extents.input, i);
  Expr exists;
  for (int axis = 0; axis < spatial; ++axis) {
    // Weights are read forwards, whichever way the taps are walked.
    const Expr read = contraction.taps[spatial - 1 - axis];
    const Expr tap = spec.reverse ? static_cast<int>(extents.rhs[axis] - 1) - read : read;
    const int dilation = static_cast<int>(spec.lhs_dilation[axis]);
    Expr position = at[axis + 2] * static_cast<int>(spec.stride[axis]) +
                    tap * static_cast<int>(spec.rhs_dilation[axis]) -
                    static_cast<int>(spec.low[axis]);
    lhs[axis + 2] = dilation == 1 ? position : position / dilation;
    rhs[axis + 2] = read;
    if (axis < spatial - 2 && skips_padding(spec, axis)) {
      const int64_t end = dilated_extent(extents.lhs[axis], dilation);
      contraction.domain.where(position >= 0 && position < static_cast<int>(end));
    }
    if (dilation == 1) continue;
    const Expr hit = position % dilation == 0;
    exists = exists.defined() ? exists && hit : hit;
  }

  if (!has_halo(c, conv_reach(spec, extents)))
    contraction.padded = padded_operand(c, spec, extents);
  const int64_t block = prologue_block(c, spec, extents);
  Expr value;
  if (contraction.padded.defined()) {
    value = contraction.padded(Coordinates(lhs.rbegin(), lhs.rend()));
  } else {
    value = block > 0 ? through_prologue(c, contraction, block, lhs) : c.operand(0, lhs);
  }
  if (exists.defined()) value = Halide::select(exists, value, Halide::cast(value.type(), 0));
  finish_contraction(c, std::move(contraction), c.operand(1, rhs) * value);
}

constexpr Lowering kConvLowerings[] = {{&ops::conv, lower_conv}};

}  // namespace

std::span<const Lowering> conv_lowerings() { return kConvLowerings; }

}  // namespace ag::lower
