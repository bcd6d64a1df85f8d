#include <algorithm>
#include <numeric>

#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "passes/rules/rules.h"

namespace ag {
namespace {

using namespace pattern;

bool is_identity(const Integers& permutation) {
  return std::is_sorted(permutation.begin(), permutation.end());
}

bool all_equal(const Integers& list, int64_t value) {
  return std::all_of(list.begin(), list.end(), [&](int64_t entry) { return entry == value; });
}

Tensor if_same_type(const Match& m) { return m[x].type() == m.root.type() ? m[x] : Tensor(); }

// A list attribute with its default spelled out, one entry per axis of the operand.
Integers per_axis(const Node& node, const Match& m, std::string_view name, int64_t fill) {
  const Graph& graph = m.root.graph();
  return node.attributes.integers(name, graph.type(node.operands[0]).shape.size(), fill);
}

Tensor transpose_of_transpose(const Match& m) {
  const Integers& outer = m.node().attributes.integers("permutation");
  const Integers& first = m.node(inner).attributes.integers("permutation");
  Integers both;
  for (int64_t axis : outer) both.push_back(first[axis]);
  return is_identity(both) ? m[x] : transpose(m[x], both);
}

// A transpose that only moves axes of extent 1 keeps the order of the elements.
Tensor transpose_as_reshape(const Match& m) {
  Integers moved;
  for (int64_t axis : m.node().attributes.integers("permutation")) {
    if (m[x].shape()[axis] != 1) moved.push_back(axis);
  }
  return is_identity(moved) ? reshape(m[x], m.root.shape()) : Tensor();
}

Tensor broadcast_of_broadcast(const Match& m) {
  const Integers& outer = m.node().attributes.integers("axes");
  Integers axes;
  for (int64_t axis : m.node(inner).attributes.integers("axes")) axes.push_back(outer[axis]);
  return broadcast(m[x], m.root.shape(), axes);
}

// A broadcast that repeats nothing.
Tensor broadcast_as_reshape(const Match& m) {
  return m[x].type().count() == m.root.type().count() ? reshape(m[x], m.root.shape()) : Tensor();
}

// reshape [2] → [2,1] → broadcast [2,5] is broadcast [2] → [2,5]: axes of extent 1 that a reshape
// puts in are left to the broadcast.
Tensor broadcast_of_unit_axes(const Match& m) {
  const Shape &from = m[x].shape(), &through = m[inner].shape();
  const Integers& outer = m.node().attributes.integers("axes");
  Integers axes;
  Shape kept;
  for (size_t i = 0; i < through.size(); ++i) {
    if (through[i] == 1) continue;
    kept.push_back(through[i]);
    axes.push_back(outer[i]);
  }
  return kept == from ? broadcast(m[x], m.root.shape(), axes) : Tensor();
}

Tensor slice_of_everything(const Match& m) {
  return m[x].shape() == m.root.shape() ? m[x] : Tensor();
}

Tensor slice_of_slice(const Match& m) {
  Integers start = m.node().attributes.integers("start"), limit, stride;
  Integers first = m.node(inner).attributes.integers("start");
  Integers outer_stride = per_axis(m.node(), m, "stride", 1);
  Integers first_stride = per_axis(m.node(inner), m, "stride", 1);
  for (size_t i = 0; i < start.size(); ++i) {
    start[i] = first[i] + start[i] * first_stride[i];
    stride.push_back(first_stride[i] * outer_stride[i]);
    int64_t extent = m.root.shape()[i];
    limit.push_back(extent == 0 ? start[i] : start[i] + (extent - 1) * stride[i] + 1);
    // An empty slice of a strided one may start beyond the operand.
    if (limit[i] > m[x].shape()[i]) return {};
  }
  return slice(m[x], start, limit, stride);
}

Tensor pad_of_nothing(const Match& m) {
  const Attributes& a = m.node().attributes;
  bool nothing = all_equal(a.integers("low"), 0) && all_equal(a.integers("high"), 0) &&
                 all_equal(a.integers("interior"), 0);
  return nothing ? m[x] : Tensor();
}

Tensor pad_of_pad(const Match& m) {
  const Node &outer = m.node(), &first = m.node(inner);
  double value = outer.attributes.number("value");
  bool plain = outer.attributes.integers("interior").empty() &&
               first.attributes.integers("interior").empty() &&
               value == first.attributes.number("value");
  Integers low = per_axis(outer, m, "low", 0), high = per_axis(outer, m, "high", 0);
  Integers first_low = per_axis(first, m, "low", 0), first_high = per_axis(first, m, "high", 0);
  for (size_t i = 0; i < low.size(); ++i) {
    // What the first one cropped the second cannot bring back.
    plain = plain && first_low[i] >= 0 && first_high[i] >= 0;
    low[i] += first_low[i];
    high[i] += first_high[i];
  }
  return plain ? pad(m[x], low, high, {}, value) : Tensor();
}

Tensor reverse_of_reverse(const Match& m) {
  Integers axes;
  const Integers& outer = m.node().attributes.integers("axes");
  const Integers& first = m.node(inner).attributes.integers("axes");
  for (int axis = 0; axis < m.root.rank(); ++axis) {
    auto times =
        std::count(outer.begin(), outer.end(), axis) + std::count(first.begin(), first.end(), axis);
    if (times % 2 == 1) axes.push_back(axis);
  }
  return axes.empty() ? m[x] : reverse(m[x], axes);
}

Tensor reverse_of_nothing(const Match& m) {
  for (int64_t axis : m.node().attributes.integers("axes")) {
    if (m[x].shape()[axis] > 1) return {};
  }
  return m[x];
}

// The operand that a broadcast along `axes` repeats; invalid for anything else.
Tensor repeated(Tensor tensor, const Integers& axes, const Shape& shape) {
  const Node& node = tensor.graph().node(tensor.value());
  if (!node.is(ops::broadcast) || node.attributes.integers("axes") != axes) return {};
  Tensor source(tensor.graph(), node.operands[0]);
  return source.shape() == shape ? source : Tensor();
}

// A pointwise op of equal broadcasts (and numbers) is computed before the elements are repeated.
Tensor pointwise_of_broadcasts(const Match& m) {
  const Node& node = m.node();
  if (!node.op->pointwise || node.op->declared_type()) return {};
  Graph& graph = m.root.graph();
  const Node* first = nullptr;
  for (Value operand : node.operands) {
    if (!first && graph.node(operand).is(ops::broadcast)) first = &graph.node(operand);
  }
  if (!first || graph.type(first->operands[0]).count() >= m.root.type().count()) return {};
  const Integers axes = first->attributes.integers("axes");
  const Shape shape = graph.type(first->operands[0]).shape;
  std::vector<Tensor> operands;
  for (Value value : node.operands) {
    Tensor operand(graph, value);
    std::optional<double> number = number_of(operand);
    operands.push_back(number ? full(graph, operand.type().with_shape(shape), *number)
                              : repeated(operand, axes, shape));
    if (!operands.back().valid()) return {};
  }
  Tensor small = apply_all(*node.op, operands, node.attributes, std::source_location())[0];
  return broadcast(small, m.root.shape(), axes);
}

}  // namespace

std::vector<Rule> view_rules() {
  return {
      {"reshape-same", op(ops::reshape, x), if_same_type},
      {"reshape-reshape", op(ops::reshape, op(ops::reshape, x)),
       [](const Match& m) { return reshape(m[x], m.root.shape()); }},
      {"transpose-same", op(ops::transpose, x),
       [](const Match& m) {
         return is_identity(m.node().attributes.integers("permutation")) ? m[x] : Tensor();
       }},
      {"transpose-transpose", op(ops::transpose, op(ops::transpose, x).as(inner)),
       transpose_of_transpose},
      {"transpose-as-reshape", op(ops::transpose, x), transpose_as_reshape},
      {"broadcast-same", op(ops::broadcast, x), if_same_type},
      {"broadcast-as-reshape", op(ops::broadcast, x), broadcast_as_reshape},
      {"broadcast-broadcast", op(ops::broadcast, op(ops::broadcast, x).as(inner)),
       broadcast_of_broadcast},
      {"broadcast-of-unit-axes", op(ops::broadcast, op(ops::reshape, x).as(inner)),
       broadcast_of_unit_axes},
      {"pointwise-of-broadcasts", x, pointwise_of_broadcasts},
      {"slice-everything", op(ops::slice, x), slice_of_everything},
      {"slice-slice", op(ops::slice, op(ops::slice, x).as(inner)), slice_of_slice},
      {"pad-nothing", op(ops::pad, x), pad_of_nothing},
      {"pad-pad", op(ops::pad, op(ops::pad, x).as(inner)), pad_of_pad},
      {"concat-one", op(ops::concat, x), if_same_type},
      {"reverse-nothing", op(ops::reverse, x), reverse_of_nothing},
      {"reverse-reverse", op(ops::reverse, op(ops::reverse, x).as(inner)), reverse_of_reverse},
      {"to-layout-same", op(ops::to_layout, x), if_same_type, true},
      {"to-layout-to-layout", op(ops::to_layout, op(ops::to_layout, x)),
       [](const Match& m) { return to_layout(m[x], m.root.type().layout); }, true},
  };
}

}  // namespace ag
