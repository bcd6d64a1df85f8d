#include "ir/ops/view.h"

#include "codegen/lower/lowering.h"

namespace ag::lower {
namespace {

using Halide::Expr;

void lower_broadcast(LowerContext& c) {
  const Integers& axes = c.attributes().integers("axes");
  const Shape& from = c.operand_type(0).shape;
  define(c, 0, [&](const Coordinates& at) {
    Coordinates source;
    for (size_t i = 0; i < from.size(); ++i) source.push_back(from[i] == 1 ? Expr(0) : at[axes[i]]);
    return c.operand(0, source);
  });
}

// Where groups of axes hold the same elements only the axes of a group are taken apart, so that
// (8, 16, 5, 5) → (8, 400) keeps axis 0 as it is.
Coordinates reshaped(const Shape& from, const Shape& to, const Coordinates& at) {
  Coordinates source(from.size(), Expr(0));
  size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    size_t first_i = i, first_j = j;
    int64_t left = 1, right = 1;
    if (i < from.size()) left = from[i++];
    if (j < to.size()) right = to[j++];
    while (left != right) {
      if (left < right)
        left *= from[i++];
      else
        right *= to[j++];
    }
    Expr linear = 0;
    for (size_t k = first_j; k < j; ++k) linear = linear * static_cast<int>(to[k]) + at[k];
    for (size_t k = i; k-- > first_i;) {
      int extent = static_cast<int>(from[k]);
      if (extent == 1) continue;
      bool outermost = element_count({from.begin() + first_i, from.begin() + k}) == 1;
      source[k] = outermost ? linear : linear % extent;
      linear = linear / extent;
    }
  }
  return source;
}

void lower_reshape(LowerContext& c) {
  define(c, 0, [&](const Coordinates& at) {
    return c.operand(0, reshaped(c.operand_type(0).shape, c.result_type().shape, at));
  });
}

void lower_transpose(LowerContext& c) {
  const Integers& permutation = c.attributes().integers("permutation");
  define(c, 0, [&](const Coordinates& at) {
    Coordinates source(at.size());
    for (size_t i = 0; i < at.size(); ++i) source[permutation[i]] = at[i];
    return c.operand(0, source);
  });
}

void lower_slice(LowerContext& c) {
  const Integers& start = c.attributes().integers("start");
  Integers stride = c.attributes().integers("stride", start.size(), 1);
  define(c, 0, [&](const Coordinates& at) {
    Coordinates source;
    for (size_t i = 0; i < at.size(); ++i)
      source.push_back(at[i] * static_cast<int>(stride[i]) + static_cast<int>(start[i]));
    return c.operand(0, source);
  });
}

void lower_reverse(LowerContext& c) {
  define(c, 0, [&](const Coordinates& at) {
    Coordinates source = at;
    for (int64_t axis : c.attributes().integers("axes")) {
      source[axis] = static_cast<int>(c.result_type().shape[axis]) - 1 - source[axis];
    }
    return c.operand(0, source);
  });
}

void lower_pad(LowerContext& c) {
  const Shape& from = c.operand_type(0).shape;
  Integers low = c.attributes().integers("low", from.size(), 0),
           high = c.attributes().integers("high", from.size(), 0);
  Integers interior = c.attributes().integers("interior", from.size(), 0);
  define(c, 0, [&](const Coordinates& at) {
    Coordinates source;
    Expr exists = Halide::Internal::const_true();
    for (size_t i = 0; i < at.size(); ++i) {
      int step = static_cast<int>(interior[i]) + 1, last = static_cast<int>(from[i]) - 1;
      Expr position = at[i] - static_cast<int>(low[i]);
      if (step > 1) exists = exists && position % step == 0;
      position = step > 1 ? position / step : position;
      if (low[i] > 0) exists = exists && position >= 0;
      if (high[i] > 0) exists = exists && position <= last;
      source.push_back(low[i] > 0 || high[i] > 0 ? Halide::clamp(position, 0, last) : position);
    }
    Expr value = c.operand(0, source);
    return Halide::select(exists, value,
                          Halide::cast(value.type(), Expr(c.attributes().number("value"))));
  });
}

void lower_concat(LowerContext& c) {
  int64_t axis = c.attributes().integer("axis");
  define(c, 0, [&](const Coordinates& at) {
    Expr value;
    int end = static_cast<int>(c.result_type().shape[axis]);
    for (size_t i = c.node().operands.size(); i-- > 0;) {
      int extent = static_cast<int>(c.operand_type(i).shape[axis]);
      if (extent == 0) continue;
      Coordinates source = at;
      source[axis] = Halide::clamp(at[axis] - (end - extent), 0, extent - 1);
      Expr part = c.operand(i, source);
      value = value.defined() ? Halide::select(at[axis] < end, part, value) : part;
      end -= extent;
    }
    return value;
  });
}

void lower_same(LowerContext& c) {
  define(c, 0, [&](const Coordinates& at) { return c.operand(0, at); });
}

constexpr Lowering kViewLowerings[] = {
    {&ops::broadcast, lower_broadcast}, {&ops::reshape, lower_reshape},
    {&ops::transpose, lower_transpose}, {&ops::slice, lower_slice},
    {&ops::reverse, lower_reverse},     {&ops::pad, lower_pad},
    {&ops::concat, lower_concat},       {&ops::to_layout, lower_same},
};

}  // namespace

std::span<const Lowering> view_lowerings() { return kViewLowerings; }

}  // namespace ag::lower
