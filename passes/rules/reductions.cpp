#include <algorithm>

#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "passes/rules/rules.h"

namespace ag {
namespace {

using namespace pattern;

bool contains(const Integers& list, int64_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Only axes of extent 1 are reduced.
Tensor reduce_unit_axes(const Match& m) {
  for (int64_t axis : m.node().attributes.integers("axes")) {
    if (m[x].shape()[axis] != 1) return {};
  }
  return reshape(m[x], m.root.shape());
}

// reduce(reduce(x, first), second) over the same op is one reduction.
Tensor reduce_reduce(const Match& m) {
  const Integers& first = m.node(inner).attributes.integers("axes");
  const Integers& second = m.node().attributes.integers("axes");
  Integers axes = first;
  int64_t position = 0;  // among the axes that the first one keeps
  for (int64_t axis = 0; axis < m[x].rank(); ++axis) {
    if (contains(first, axis)) continue;
    if (contains(second, position++)) axes.push_back(axis);
  }
  std::sort(axes.begin(), axes.end());
  return apply(*m.node().op, {m[x]}, {{"axes", axes}}, std::source_location());
}

// Axes that a broadcast made and a sum removes: the operand, times how often it was repeated.
Tensor sum_of_broadcast(const Match& m) {
  const Integers& axes = m.node(inner).attributes.integers("axes");
  const Integers& summed = m.node().attributes.integers("axes");
  int64_t times = 1;
  for (int64_t axis : summed) {
    if (contains(axes, axis)) return {};
    times *= m[inner].shape()[axis];
  }
  Integers moved;  // of axes among those that the sum keeps
  for (int64_t axis : axes) {
    auto before = std::count_if(summed.begin(), summed.end(), [&](int64_t s) { return s < axis; });
    moved.push_back(axis - before);
  }
  return broadcast(m[x], m.root.shape(), moved) * m.full(static_cast<double>(times));
}

}  // namespace

std::vector<Rule> reduction_rules() {
  return {
      {"sum-unit-axes", op(ops::reduce_sum, x), reduce_unit_axes},
      {"max-unit-axes", op(ops::reduce_max, x), reduce_unit_axes},
      {"min-unit-axes", op(ops::reduce_min, x), reduce_unit_axes},
      {"sum-sum", op(ops::reduce_sum, op(ops::reduce_sum, x).as(inner)), reduce_reduce},
      {"max-max", op(ops::reduce_max, op(ops::reduce_max, x).as(inner)), reduce_reduce},
      {"min-min", op(ops::reduce_min, op(ops::reduce_min, x).as(inner)), reduce_reduce},
      {"sum-broadcast", op(ops::reduce_sum, op(ops::broadcast, x).as(inner)), sum_of_broadcast},
  };
}

}  // namespace ag
