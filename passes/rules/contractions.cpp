#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/view.h"
#include "passes/rules/rules.h"

namespace ag {
namespace {

using namespace pattern;

// Zeros around (or between) the spatial elements of a convolution's operand are its own padding
// (and dilation).
Tensor pad_into_conv(const Match& m) {
  const Attributes& pad = m.node(inner).attributes;
  size_t rank = m[x].shape().size();
  if (pad.number("value") != 0) return {};
  Integers low = pad.integers("low", rank, 0), high = pad.integers("high", rank, 0);
  Integers interior = pad.integers("interior", rank, 0);
  for (int axis : {0, 1}) {
    if (low[axis] != 0 || high[axis] != 0 || interior[axis] != 0) return {};
  }
  ConvSpec spec = ConvSpec::of(m.node());
  for (int axis = 0; axis < spec.spatial_rank(); ++axis) {
    spec.low[axis] += low[axis + 2] * spec.lhs_dilation[axis];
    spec.high[axis] += high[axis + 2] * spec.lhs_dilation[axis];
    spec.lhs_dilation[axis] *= interior[axis + 2] + 1;
  }
  return apply(ops::conv, {m[x], m[y]}, spec.attributes(), std::source_location());
}

bool swaps_last_axes(const Node& transpose) {
  Integers permutation = transpose.attributes.integers("permutation");
  size_t rank = permutation.size();
  if (rank < 2) return false;
  std::swap(permutation[rank - 1], permutation[rank - 2]);
  for (size_t i = 0; i < rank; ++i) {
    if (permutation[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

Tensor transpose_into_matmul(const Match& m, bool first) {
  if (!swaps_last_axes(m.node(inner))) return {};
  bool transpose_a = m.node().attributes.flag("transpose_a") != first;
  bool transpose_b = m.node().attributes.flag("transpose_b") != !first;
  return apply(ops::matmul, {m[x], m[y]},
               {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}},
               std::source_location());
}

}  // namespace

std::vector<Rule> contraction_rules() {
  return {
      {"pad-into-conv", op(ops::conv, op(ops::pad, x).as(inner), y), pad_into_conv},
      {"transpose-into-matmul-a", op(ops::matmul, op(ops::transpose, x).as(inner), y),
       [](const Match& m) { return transpose_into_matmul(m, true); }},
      {"transpose-into-matmul-b", op(ops::matmul, x, op(ops::transpose, y).as(inner)),
       [](const Match& m) { return transpose_into_matmul(m, false); }},
  };
}

}  // namespace ag
