// fast_variance: sums of squared deviations in one reading
//
// Σ (x − mean)² over a batch needs the mean first, so x is read twice. Σ x² − (Σ x)² / n is the
// same number, and both sums come from one reading, in one kernel. This is what Flax and TensorFlow
// compute for batch normalisation.
//
//   %1: f32[16] = reduce_sum(%x, axes=[0,2,3])         %1: f32[16] = reduce_sum(%x, axes=[0,2,3])
//   %3: f32[16] = multiply(%1, full(1/n))              %2 = multiply(%x, %x)
//   %4 = subtract(%x, broadcast(%3))             =>    %3: f32[16] = reduce_sum(%2, axes=[0,2,3])
//   %5 = multiply(%4, %4)                              %6 = … %1 · %1 / n …
//   %6: f32[16] = reduce_sum(%5, axes=[0,2,3])         %8: f32[16] = maximum(subtract(%3, %6), 0)
//
// The difference of the two sums loses log2(1 + mean² / variance) bits, which is little for what a
// network normalises; it is cut off at 0. Only sums over the first axis (statistics of a batch) are
// rewritten: a row's deviations, as in layer normalisation, stay in the cache anyway.
#include <algorithm>
#include <cmath>

#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace ag {
namespace {

using namespace pattern;

const Node& node_of(Tensor tensor) { return tensor.graph().node(tensor.value()); }

bool covers_batch(const Integers& axes) {
  return std::find(axes.begin(), axes.end(), 0) != axes.end();
}

// The axes that the reduction leaves, which the mean's broadcast must fill.
Integers kept_axes(const Integers& reduced, int rank) {
  Integers kept;
  for (int axis = 0; axis < rank; ++axis) {
    if (std::find(reduced.begin(), reduced.end(), axis) == reduced.end()) kept.push_back(axis);
  }
  return kept;
}

// Σ (x − broadcast(y · c))² with y = Σ x over the same axes and c = 1 / n.
Tensor in_one_reading(const Match& m) {
  const Integers& axes = m.node().attributes.integers("axes");
  const Node& sum = node_of(m[y]);
  double share =
      static_cast<double>(m.root.type().count()) / static_cast<double>(m[x].type().count());
  bool is_mean = sum.is(ops::reduce_sum) && sum.operands[0] == m[x].value() &&
                 sum.attributes.integers("axes") == axes &&
                 std::fabs(m.number(c) - share) <= 1e-9 * share;
  bool spread = node_of(m[inner]).attributes.integers("axes") == kept_axes(axes, m[x].rank());
  if (!is_mean || !spread || !covers_batch(axes) || !is_float(m.root.dtype())) return {};
  Tensor squares = apply(ops::reduce_sum, {m[x] * m[x]}, {{"axes", axes}}, Where());
  return maximum(squares - m[y] * m[y] * m.number(c), 0.0);
}

const Rule& variance_rule() {
  static const Pattern deviation =
      op(ops::subtract, x, op(ops::broadcast, op(ops::multiply, y, c)).as(inner));
  static const Rule rule{"variance", op(ops::reduce_sum, op(ops::multiply, deviation, deviation)),
                         in_one_reading};
  return rule;
}

}  // namespace

Graph fast_variance(const Graph& graph) { return rewrite(graph, {&variance_rule(), 1}); }

}  // namespace ag
