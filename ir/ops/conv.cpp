#include "ir/ops/conv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ir/gradient.h"

namespace ag {
namespace {

constexpr AttributeSpec kConvAttributes[] = {optional_integers("stride", 1),
                                             optional_integers("padding", 0),
                                             optional_integers("lhs_dilation", 1),
                                             optional_integers("rhs_dilation", 1),
                                             optional_string("dims", "nc,oi->nc"),
                                             optional_integer("groups", 1),
                                             flag("reverse")};

// ---- shape rule ----

void check_length(const InferContext& c, std::string_view name, size_t wanted) {
  const Integers& list = c.attributes.integers(name);
  if (list.empty() || list.size() == wanted) return;
  throw c
      .error(fmt::format("{} {} has {} entries, but {} spatial axes want {}", name, to_string(list),
                         list.size(), c.operand(0).rank() - 2, wanted))
      .help(name == "padding" ? "give low and high of every spatial axis: [low0,high0,low1,high1]"
                              : "give one entry per spatial axis");
}

void check_operands(const InferContext& c) {
  const TensorType &lhs = c.operand(0), &rhs = c.operand(1);
  if (lhs.rank() < 2 || lhs.rank() != rhs.rank()) {
    throw c
        .error(fmt::format("operand {} has rank {} and filter {} has rank {}", to_string(lhs),
                           lhs.rank(), to_string(rhs), rhs.rank()))
        .help("both need two axes for batch and channels, and the same spatial axes behind them");
  }
  if (lhs.dtype != rhs.dtype) {
    throw c
        .error(fmt::format("operand is {}, but the filter is {}", name_of(lhs.dtype),
                           name_of(rhs.dtype)))
        .help("cast one of them");
  }
  if (lhs.dtype == DType::boolean)
    throw c.error("operands are bool").help("cast them to a number first");
  size_t spatial = static_cast<size_t>(lhs.rank() - 2);
  for (std::string_view name : {"stride", "lhs_dilation", "rhs_dilation"}) {
    check_length(c, name, spatial);
    for (int64_t entry : c.attributes.integers(name)) {
      if (entry < 1) c.fail("{} {} must be at least 1", name, entry);
    }
  }
  check_length(c, "padding", 2 * spatial);
}

void check_group_axis(const InferContext& c, std::string_view what, const TensorType& type,
                      int axis, int64_t groups) {
  if (type.shape[axis] % groups == 0) return;
  throw c
      .error(fmt::format("{} {} has extent {} along axis {}, which {} groups do not divide", what,
                         to_string(type), type.shape[axis], axis, groups))
      .help(fmt::format("make it a multiple of {}", groups));
}

void check_groups(const InferContext& c, const ConvSpec& spec) {
  if (spec.groups < 1) {
    throw c.error(fmt::format("groups {} must be at least 1", spec.groups))
        .help("leave groups out for a plain convolution");
  }
  if (spec.dims.grouped() != (spec.groups > 1)) {
    throw c
        .error(fmt::format("dims \"{}\" marks {} axes of groups, but groups is {}",
                           spec.dims.text(), spec.dims.grouped() ? "the" : "no", spec.groups))
        .help("capitals such as \"nC,Oi->nC\" and groups > 1 go together");
  }
  if (spec.groups == 1) return;
  check_group_axis(c, "operand", c.operand(0), spec.dims.lhs_group, spec.groups);
  check_group_axis(c, "filter", c.operand(1), spec.dims.rhs_group, spec.groups);
}

// "set groups=2, or make the filter f32[128,64,3,3]"
std::string channels_help(const InferContext& c, const ConvSpec& spec, int64_t has,
                          int64_t expected) {
  const TensorType& rhs = c.operand(1);
  Shape shape = rhs.shape;
  const ConvDims& d = spec.dims;
  shape[d.rhs_input] = d.rhs_input == d.rhs_group ? has * spec.groups : has;
  std::string filter = "make the filter " + to_string(rhs.with_shape(shape));
  bool plain = d.text() == "nc,oi->nc" && expected > 0 && has % expected == 0;
  if (!plain || rhs.shape[d.rhs_output] % (has / expected) != 0) return filter;
  return fmt::format("set groups={}, or {}", has / expected, filter);
}

void check_channels(const InferContext& c, const ConvSpec& spec) {
  const ConvDims& d = spec.dims;
  auto per_group = [&](int64_t extent, bool holds_groups) {
    return holds_groups ? extent / spec.groups : extent;
  };
  int64_t has = per_group(c.operand(0).shape[d.lhs_channel], d.lhs_channel == d.lhs_group);
  int64_t expected = per_group(c.operand(1).shape[d.rhs_input], d.rhs_input == d.rhs_group);
  if (has == expected) return;
  throw c
      .error(fmt::format("filter {} expects {} input channels{}, but operand {} has {} (groups={})",
                         to_string(c.operand(1)), expected, spec.groups > 1 ? " a group" : "",
                         to_string(c.operand(0)), has, spec.groups))
      .help(channels_help(c, spec, has, expected));
}

int64_t spatial_extent(const InferContext& c, const ConvSpec& spec, int axis) {
  int64_t from = c.operand(0).shape[axis + 2], taps = c.operand(1).shape[axis + 2];
  if (taps == 0) c.fail("filter {} has no taps along axis {}", to_string(c.operand(1)), axis + 2);
  int64_t room = dilated_extent(from, spec.lhs_dilation[axis]) + spec.low[axis] + spec.high[axis];
  int64_t window = dilated_extent(taps, spec.rhs_dilation[axis]);
  if (room < window) {
    throw c
        .error(fmt::format("axis {} would have a negative extent: the filter covers {} elements "
                           "(extent {}, dilation {}), but operand {} with padding {} and {} has {}",
                           axis + 2, window, taps, spec.rhs_dilation[axis], to_string(c.operand(0)),
                           spec.low[axis], spec.high[axis], room))
        .help(fmt::format("pad by {} more, or use a smaller filter", window - room));
  }
  return (room - window) / spec.stride[axis] + 1;
}

std::vector<TensorType> infer_conv(const InferContext& c) {
  check_operands(c);
  const TensorType &lhs = c.operand(0), &rhs = c.operand(1);
  ConvSpec spec = ConvSpec::of(c.attributes, lhs.rank() - 2);
  check_groups(c, spec);
  check_channels(c, spec);
  ConvExtents extents(spec, lhs.shape, rhs.shape, {0, 0});
  Shape shape(lhs.shape.size());
  shape[spec.dims.out_batch] = extents.batch;
  shape[spec.dims.out_channel] = extents.output;
  if (spec.groups > 1) shape[spec.dims.out_group] *= spec.groups;
  for (int axis = 0; axis < spec.spatial_rank(); ++axis)
    shape[axis + 2] = spatial_extent(c, spec, axis);
  return {lhs.with_shape(shape)};
}

// ---- reference semantics ----

// Offsets of one tap that meets an element: of lhs and of rhs, within their spatial axes.
struct Tap {
  int64_t lhs, rhs;
};

// The taps of output position `y` that fall on elements of lhs.
std::vector<Tap> taps_of(const ConvSpec& spec, const ConvExtents& extents, const Integers& y) {
  std::vector<Tap> taps;
  Shape lhs_strides = row_major_strides(extents.lhs), rhs_strides = row_major_strides(extents.rhs);
  for_each_index(extents.rhs, [&](const Integers& k) {
    Tap tap{0, 0};
    for (size_t axis = 0; axis < k.size(); ++axis) {
      int64_t position =
          y[axis] * spec.stride[axis] + k[axis] * spec.rhs_dilation[axis] - spec.low[axis];
      int64_t x = position / spec.lhs_dilation[axis];
      if (position < 0 || position % spec.lhs_dilation[axis] != 0 || x >= extents.lhs[axis]) return;
      tap.lhs += x * lhs_strides[axis];
      tap.rhs += (spec.reverse ? extents.rhs[axis] - 1 - k[axis] : k[axis]) * rhs_strides[axis];
    }
    taps.push_back(tap);
  });
  return taps;
}

// Position of (group, index of one role, index of the other role) among the first two axes.
struct Plane {
  Plane(const Shape& shape, int role_axis, int group_axis, int64_t groups)
      : size(element_count({shape.begin() + 2, shape.end()})) {
    int64_t strides[2] = {shape[1] * size, size};
    role = strides[role_axis];
    other = strides[1 - role_axis];
    if (group_axis >= 0) group = shape[group_axis] / groups * strides[group_axis];
  }
  int64_t at(int64_t g, int64_t i, int64_t j) const { return g * group + i * role + j * other; }
  int64_t size, role = 0, other = 0, group = 0;
};

template <class Number>
void convolve(const EvalContext& c, const std::vector<Number>& lhs, const std::vector<Number>& rhs,
              std::vector<Number>& out) {
  const Shape& result = c.result().shape;
  ConvSpec spec = ConvSpec::of(c.attributes, static_cast<int>(result.size()) - 2);
  const ConvDims& d = spec.dims;
  ConvExtents extents(spec, c.operand(0).shape, c.operand(1).shape, result);
  Plane lhs_plane(c.operand(0).shape, d.lhs_batch, d.lhs_group, spec.groups);
  Plane rhs_plane(c.operand(1).shape, d.rhs_output, d.rhs_group, spec.groups);
  Plane out_plane(result, d.out_batch, d.out_group, spec.groups);
  std::vector<std::vector<Tap>> taps;  // of each position
  for_each_index(extents.out,
                 [&](const Integers& y) { taps.push_back(taps_of(spec, extents, y)); });
  // Four outputs are summed at a time: no sum waits for another, and each element of lhs is read
  // once for all of them. Where fewer are left, the last is summed again.
  const int64_t last = extents.output - 1;
  auto sum_four = [&](int64_t g, int64_t n, int64_t o, const std::vector<Tap>& reached) {
    auto output = [&](int64_t k) { return std::min(o + k, last); };
    Number s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int64_t i = 0; i < extents.input; ++i) {
      const Number* a = &lhs[lhs_plane.at(g, n, i)];
      const Number *b0 = &rhs[rhs_plane.at(g, output(0), i)],
                   *b1 = &rhs[rhs_plane.at(g, output(1), i)],
                   *b2 = &rhs[rhs_plane.at(g, output(2), i)],
                   *b3 = &rhs[rhs_plane.at(g, output(3), i)];
      for (const Tap& tap : reached) {
        s0 += a[tap.lhs] * b0[tap.rhs];
        s1 += a[tap.lhs] * b1[tap.rhs];
        s2 += a[tap.lhs] * b2[tap.rhs];
        s3 += a[tap.lhs] * b3[tap.rhs];
      }
    }
    return std::array{s0, s1, s2, s3};
  };
  for_each_index({spec.groups, (last + 4) / 4, extents.batch}, [&](const Integers& at) {
    const int64_t g = at[0], o = 4 * at[1], n = at[2];
    for (size_t position = 0; position < taps.size(); ++position) {
      const std::array<Number, 4> sums = sum_four(g, n, o, taps[position]);
      for (int64_t k = 0; k < 4 && o + k <= last; ++k)
        out[out_plane.at(g, n, o + k) + static_cast<int64_t>(position)] = sums[k];
    }
  });
}

void eval_conv(const EvalContext& c) {
  if (c.result().is_floating())
    convolve(c, c.operand(0).floats, c.operand(1).floats, c.result().floats);
  else
    convolve(c, c.operand(0).integers, c.operand(1).integers, c.result().integers);
}

// ---- gradients: convolutions again ----

// High padding that gives a conv of these extents exactly `wanted` results along one axis.
int64_t exact_high(int64_t wanted, int64_t stride, int64_t window, int64_t room, int64_t low) {
  return (wanted - 1) * stride + window - room - low;
}

// d lhs[n,i,x] = Σ over o, k of dy[n,o,y] · rhs[o,i,k] with y·stride = x·lhs_dilation −
// k·rhs_dilation + low: a convolution of dy that walks the taps the other way.
Tensor grad_lhs(GradContext& g, const ConvSpec& spec, const ConvExtents& extents) {
  const ConvDims& d = spec.dims;
  ConvSpec back{{d.out_batch, d.out_channel, d.rhs_input, d.rhs_output, d.lhs_batch, d.lhs_channel,
                 d.out_group, d.rhs_group, d.lhs_group}};
  back.stride = spec.lhs_dilation;
  back.lhs_dilation = spec.stride;
  back.rhs_dilation = spec.rhs_dilation;
  back.groups = spec.groups;
  back.reverse = !spec.reverse;
  for (int axis = 0; axis < spec.spatial_rank(); ++axis) {
    int64_t window = dilated_extent(extents.rhs[axis], spec.rhs_dilation[axis]);
    int64_t room = dilated_extent(extents.out[axis], spec.stride[axis]);
    back.low.push_back(window - 1 - spec.low[axis]);
    back.high.push_back(
        exact_high(extents.lhs[axis], spec.lhs_dilation[axis], window, room, back.low.back()));
  }
  return apply(ops::conv, {g.dy(), g.x(1)}, back.attributes(), {});
}

// d rhs[o,i,k] = Σ over n, y of lhs[n,i,…] · dy[n,o,y]: lhs convolved with dy as the filter.
Tensor grad_rhs(GradContext& g, const ConvSpec& spec, const ConvExtents& extents) {
  const ConvDims& d = spec.dims;
  ConvSpec back{{d.lhs_channel, d.lhs_batch, d.out_channel, d.out_batch, d.rhs_input, d.rhs_output,
                 d.lhs_group, d.out_group, d.rhs_group}};
  back.stride = spec.rhs_dilation;
  back.lhs_dilation = spec.lhs_dilation;
  back.rhs_dilation = spec.stride;
  back.low = spec.low;
  back.groups = spec.groups;
  for (int axis = 0; axis < spec.spatial_rank(); ++axis) {
    int64_t window = dilated_extent(extents.out[axis], spec.stride[axis]);
    int64_t room = dilated_extent(extents.lhs[axis], spec.lhs_dilation[axis]);
    back.high.push_back(
        exact_high(extents.rhs[axis], spec.rhs_dilation[axis], window, room, spec.low[axis]));
  }
  return apply(ops::conv, {g.x(0), g.dy()}, back.attributes(), {});
}

// The same where the taps are walked backwards: dy convolved with lhs as the filter.
Tensor grad_rhs_reversed(GradContext& g, const ConvSpec& spec, const ConvExtents& extents) {
  const ConvDims& d = spec.dims;
  ConvSpec back{{d.out_channel, d.out_batch, d.lhs_channel, d.lhs_batch, d.rhs_output, d.rhs_input,
                 d.out_group, d.lhs_group, d.rhs_group}};
  back.stride = spec.rhs_dilation;
  back.lhs_dilation = spec.stride;
  back.rhs_dilation = spec.lhs_dilation;
  back.groups = spec.groups;
  for (int axis = 0; axis < spec.spatial_rank(); ++axis) {
    int64_t window = dilated_extent(extents.lhs[axis], spec.lhs_dilation[axis]);
    int64_t room = dilated_extent(extents.out[axis], spec.stride[axis]);
    back.low.push_back((extents.rhs[axis] - 1) * spec.rhs_dilation[axis] - spec.low[axis]);
    back.high.push_back(
        exact_high(extents.rhs[axis], spec.rhs_dilation[axis], window, room, back.low.back()));
  }
  return apply(ops::conv, {g.dy(), g.x(0)}, back.attributes(), {});
}

void grad_conv(GradContext& g) {
  ConvSpec spec = ConvSpec::of(g.node);
  ConvExtents extents(spec, g.x(0).shape(), g.x(1).shape(), g.y().shape());
  if (g.wants(0)) g.dx(0, grad_lhs(g, spec, extents));
  if (g.wants(1)) {
    g.dx(1, spec.reverse ? grad_rhs_reversed(g, spec, extents) : grad_rhs(g, spec, extents));
  }
}

int64_t conv_flops(const Node& node, std::span<const TensorType> operands) {
  ConvSpec spec = ConvSpec::of(node);
  ConvExtents extents(spec, operands[0].shape, operands[1].shape, node.types[0].shape);
  int64_t holes = 1;
  for (int64_t dilation : spec.lhs_dilation) holes *= dilation;
  return 2 * node.types[0].count() * extents.input * element_count(extents.rhs) / holes;
}

}  // namespace

namespace ops {

constinit const OpDef conv{.name = "conv",
                           .arity = {2, 2},
                           .attributes = kConvAttributes,
                           .infer = infer_conv,
                           .eval = eval_conv,
                           .grad = grad_conv,
                           .flops = conv_flops,
                           .preserves_zero = [](const Attributes&) { return true; }};

}  // namespace ops

Tensor conv(Operand lhs, Operand rhs, ConvOptions options) {
  if (options.dims.empty()) options.dims = options.groups > 1 ? "nC,Oi->nC" : "nc,oi->nc";
  return apply(ops::conv, {lhs.tensor, rhs.tensor},
               {{"stride", std::move(options.stride)},
                {"padding", std::move(options.padding)},
                {"lhs_dilation", std::move(options.lhs_dilation)},
                {"rhs_dilation", std::move(options.rhs_dilation)},
                {"dims", std::move(options.dims)},
                {"groups", options.groups},
                {"reverse", options.reverse}},
               lhs.where);
}

Tensor conv_transpose(Operand x, Operand filter, ConvTransposeOptions options) {
  size_t rank = filter.tensor.shape().size() < 2 ? 0 : filter.tensor.shape().size() - 2;
  auto entry = [](const Integers& list, size_t i, int64_t fill) {
    return i < list.size() ? list[i] : fill;
  };
  ConvOptions conv_options{.lhs_dilation = options.stride,
                           .rhs_dilation = options.dilation,
                           .groups = options.groups,
                           .dims = options.groups > 1 ? "nC,Io->nC" : "nc,io->nc",
                           .reverse = true};
  for (size_t axis = 0; axis < rank; ++axis) {
    int64_t reach = (filter.tensor.shape()[axis + 2] - 1) * entry(options.dilation, axis, 1);
    conv_options.padding.push_back(reach - entry(options.padding, 2 * axis, 0));
    conv_options.padding.push_back(reach - entry(options.padding, 2 * axis + 1, 0) +
                                   entry(options.output_padding, axis, 0));
  }
  return conv(x, filter, std::move(conv_options));
}

}  // namespace ag
