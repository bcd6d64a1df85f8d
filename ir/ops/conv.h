// The one convolution. Forward, transposed, backward-data, backward-weights, depthwise and grouped
// convolutions are all this op with other attributes.
//
//   out[n,o,y] = Σ over i, k of  lhs[n,i, y·stride + k·rhs_dilation − low] · rhs[o,i,k]
//
// for every spatial axis; lhs is read with lhs_dilation − 1 zeros between neighbours and zeros
// outside; `reverse` walks the taps of rhs backwards; a negative padding crops.
//
// `dims` says what the first two axes of lhs, rhs and the result are: "nc,oi->nc" is a plain
// convolution (n batch, c channels, o output channels, i input channels; the result's c are the
// o). With groups > 1 one capital per tensor marks the axis that holds all groups, group-major:
// "nC,Oi->nC" has feature groups. Spatial axes follow in order.
#pragma once

#include <string>
#include <string_view>

#include "ir/tensor.h"

namespace ag::ops {

// stride, padding [low0,high0,low1,high1,…], lhs_dilation, rhs_dilation, dims, groups, reverse
extern const OpDef conv;

}  // namespace ag::ops

namespace ag {

using Where = std::source_location;

// Which axis (0 or 1) of each tensor plays which role. The other of the two plays the other.
struct ConvDims {
  int lhs_batch = 0, lhs_channel = 1;
  int rhs_output = 0, rhs_input = 1;
  int out_batch = 0, out_channel = 1;
  // The axis of each tensor that holds all groups; -1 when there are no capitals.
  int lhs_group = -1, rhs_group = -1, out_group = -1;

  // Throws CompileError on text that is no dims string.
  static ConvDims parse(std::string_view text);
  std::string text() const;
  bool grouped() const { return lhs_group >= 0; }
};

// Attributes of a conv with all defaults spelled out, one entry per spatial axis.
struct ConvSpec {
  ConvDims dims;
  Integers stride, low, high, lhs_dilation, rhs_dilation;
  int64_t groups = 1;
  bool reverse = false;

  static ConvSpec of(const Attributes& attributes, int spatial_rank);
  static ConvSpec of(const Node& node) { return of(node.attributes, node.types[0].rank() - 2); }
  int spatial_rank() const { return static_cast<int>(stride.size()); }
  Attributes attributes() const;
};

// Extents of a conv: per group for batch, output and input; per spatial axis for the rest.
struct ConvExtents {
  int64_t groups = 1, batch = 0, output = 0, input = 0;
  Shape lhs, rhs, out;

  ConvExtents(const ConvSpec& spec, const Shape& lhs, const Shape& rhs, const Shape& out);
};

// How many elements before and behind lhs the windows reach, per spatial axis: the padding that is
// read, or the halo a buffer needs so that no read has to be guarded.
struct ConvReach {
  Integers low, high;
};
ConvReach conv_reach(const ConvSpec& spec, const ConvExtents& extents);

// Where one tap along an axis of an lhs that is not dilated meets elements: results [begin, end),
// the first of which reads element `first`.
struct TapReach {
  int64_t begin, end, first;
};
TapReach tap_reach(const ConvSpec& spec, const ConvExtents& extents, int axis, int64_t tap);
// The part of an axis' taps, over all results, that meets elements and not padding (stride 1).
double used_taps(const ConvSpec& spec, const ConvExtents& extents, int axis);

// Extent of an operand axis with dilation - 1 holes between neighbours.
constexpr int64_t dilated_extent(int64_t extent, int64_t dilation) {
  return extent == 0 ? 0 : (extent - 1) * dilation + 1;
}

struct ConvOptions {
  Integers stride = {}, padding = {};  // padding: low and high per spatial axis
  Integers lhs_dilation = {}, rhs_dilation = {};
  int64_t groups = 1;
  std::string dims = {};  // empty: "nc,oi->nc", or "nC,Oi->nC" with groups
  bool reverse = false;
};

Tensor conv(Operand lhs, Operand rhs, ConvOptions options = {});

struct ConvTransposeOptions {
  Integers stride = {}, padding = {};  // of the convolution whose transpose this is
  Integers output_padding = {};        // rows added at the high end, one entry per spatial axis
  Integers dilation = {};
  int64_t groups = 1;
};

// The gradient of a convolution towards its input, as a layer: x is [batch, channels, spatial…],
// filter is [channels, output channels / groups, spatial…].
Tensor conv_transpose(Operand x, Operand filter, ConvTransposeOptions options = {});

}  // namespace ag
