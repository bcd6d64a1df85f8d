#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "ir/ops/conv.h"

namespace ag {
namespace {

struct Side {
  int first_axis = 0;   // of the role that comes first in `roles`
  int group_axis = -1;  // -1: no capital
};

// Reads two letters, one per role, any order; a capital marks the axis of the groups.
Side parse_side(std::string_view text, std::string_view letters, std::string_view roles) {
  Side side;
  bool seen[2] = {false, false};
  if (letters.size() == 2) {
    for (int axis = 0; axis < 2; ++axis) {
      char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(letters[axis])));
      for (int role = 0; role < 2; ++role) {
        if (lower != roles[role]) continue;
        seen[role] = true;
        if (role == 0) side.first_axis = axis;
      }
      if (lower != letters[axis]) side.group_axis = side.group_axis < 0 ? axis : 2;
    }
  }
  if (!seen[0] || !seen[1] || side.group_axis == 2) {
    throw CompileError(
        fmt::format("conv: dims \"{}\": \"{}\" does not name axes {} and {} once each, "
                    "with at most one capital",
                    text, letters, roles[0], roles[1]))
        .help("\"nc,oi->nc\" is a plain convolution, \"nC,Oi->nC\" one with feature groups");
  }
  return side;
}

// A letter pair such as "nC".
std::string side_text(std::string_view roles, int first_axis, int group_axis) {
  std::string text(2, ' ');
  text[first_axis] = roles[0];
  text[1 - first_axis] = roles[1];
  if (group_axis >= 0)
    text[group_axis] =
        static_cast<char>(std::toupper(static_cast<unsigned char>(text[group_axis])));
  return text;
}

}  // namespace

ConvDims ConvDims::parse(std::string_view text) {
  size_t comma = std::min(text.find(','), text.size());
  size_t arrow = std::min(text.find("->"), text.size());
  auto part = [&](size_t from, size_t to) {
    return from <= to && from <= text.size() ? text.substr(from, to - from) : std::string_view();
  };
  Side lhs = parse_side(text, part(0, comma), "nc");
  Side rhs = parse_side(text, part(comma + 1, arrow), "oi");
  Side out = parse_side(text, part(arrow + 2, text.size()), "nc");
  int capitals = (lhs.group_axis >= 0) + (rhs.group_axis >= 0) + (out.group_axis >= 0);
  if (capitals != 0 && capitals != 3) {
    throw CompileError(
        fmt::format("conv: dims \"{}\" has capitals in {} of its three parts", text, capitals))
        .help("with groups mark one axis of each tensor, as in \"nC,Oi->nC\"");
  }
  return {lhs.first_axis,     1 - lhs.first_axis, rhs.first_axis,
          1 - rhs.first_axis, out.first_axis,     1 - out.first_axis,
          lhs.group_axis,     rhs.group_axis,     out.group_axis};
}

std::string ConvDims::text() const {
  return side_text("nc", lhs_batch, lhs_group) + "," + side_text("oi", rhs_output, rhs_group) +
         "->" + side_text("nc", out_batch, out_group);
}

ConvSpec ConvSpec::of(const Attributes& attributes, int spatial_rank) {
  size_t rank = static_cast<size_t>(spatial_rank);
  ConvSpec spec;
  spec.dims = ConvDims::parse(attributes.string("dims"));
  spec.stride = attributes.integers("stride", rank, 1);
  spec.lhs_dilation = attributes.integers("lhs_dilation", rank, 1);
  spec.rhs_dilation = attributes.integers("rhs_dilation", rank, 1);
  Integers padding = attributes.integers("padding", 2 * rank, 0);
  for (size_t axis = 0; axis < rank; ++axis) {
    spec.low.push_back(padding[2 * axis]);
    spec.high.push_back(padding[2 * axis + 1]);
  }
  spec.groups = attributes.integer("groups");
  spec.reverse = attributes.flag("reverse");
  return spec;
}

Attributes ConvSpec::attributes() const {
  Integers padding;
  for (size_t axis = 0; axis < low.size(); ++axis) {
    padding.push_back(low[axis]);
    padding.push_back(high[axis]);
  }
  return {{"stride", stride},
          {"padding", padding},
          {"lhs_dilation", lhs_dilation},
          {"rhs_dilation", rhs_dilation},
          {"dims", dims.text()},
          {"groups", groups},
          {"reverse", reverse}};
}

ConvExtents::ConvExtents(const ConvSpec& spec, const Shape& lhs_shape, const Shape& rhs_shape,
                         const Shape& out_shape)
    : groups(spec.groups) {
  const ConvDims& d = spec.dims;
  auto per_group = [&](int64_t extent, int axis, int group_axis) {
    return axis == group_axis ? extent / groups : extent;
  };
  batch = per_group(lhs_shape[d.lhs_batch], d.lhs_batch, d.lhs_group);
  output = per_group(rhs_shape[d.rhs_output], d.rhs_output, d.rhs_group);
  input = per_group(rhs_shape[d.rhs_input], d.rhs_input, d.rhs_group);
  lhs.assign(lhs_shape.begin() + 2, lhs_shape.end());
  rhs.assign(rhs_shape.begin() + 2, rhs_shape.end());
  out.assign(out_shape.begin() + 2, out_shape.end());
}

TapReach tap_reach(const ConvSpec& spec, const ConvExtents& extents, int axis, int64_t tap) {
  const int64_t offset = tap * spec.rhs_dilation[axis] - spec.low[axis];
  const int64_t begin = std::max<int64_t>(0, -offset);
  const int64_t end = std::min(extents.out[axis], extents.lhs[axis] - offset);
  return {begin, std::max(begin, end), begin + offset};
}

double used_taps(const ConvSpec& spec, const ConvExtents& extents, int axis) {
  int64_t met = 0;
  for (int64_t tap = 0; tap < extents.rhs[axis]; ++tap) {
    const TapReach reach = tap_reach(spec, extents, axis, tap);
    met += reach.end - reach.begin;
  }
  return static_cast<double>(met) / static_cast<double>(extents.rhs[axis] * extents.out[axis]);
}

ConvReach conv_reach(const ConvSpec& spec, const ConvExtents& extents) {
  auto floor_divided = [](int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); };
  ConvReach reach;
  for (size_t axis = 0; axis < spec.stride.size(); ++axis) {
    const int64_t first = -spec.low[axis];
    const int64_t last = first + (extents.out[axis] - 1) * spec.stride[axis] +
                         (extents.rhs[axis] - 1) * spec.rhs_dilation[axis];
    const int64_t end = extents.lhs[axis] - 1;
    reach.low.push_back(std::max<int64_t>(0, -floor_divided(first, spec.lhs_dilation[axis])));
    reach.high.push_back(std::max<int64_t>(0, floor_divided(last, spec.lhs_dilation[axis]) - end));
  }
  return reach;
}

}  // namespace ag
