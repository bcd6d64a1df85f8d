#include <optional>

#include "codegen/lower/lowering.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::lower {

using Halide::Expr;
using Halide::Func;

namespace {

// An addition of one value for each position along an axis, as of a bias.
struct AddedVector {
  int addition;  // the node
  int leaf;
  int axis;
};

// The node's only reader, where it is such an addition.
std::optional<AddedVector> added_vector(const Graph& body, int node) {
  std::vector<int> readers;
  for (int i = node + 1; i < body.size(); ++i) {
    for (const Value operand : body.node(i).operands) {
      if (operand.node == node) readers.push_back(i);
    }
  }
  for (const Output& output : body.outputs()) {
    if (output.value.node == node) return std::nullopt;
  }
  if (readers.size() != 1 || !body.node(readers[0]).is(ops::add)) return std::nullopt;
  const std::vector<Value>& addends = body.node(readers[0]).operands;
  const Node& wide = body.node(addends[addends[0].node == node ? 1 : 0].node);
  if (!wide.is(ops::broadcast)) return std::nullopt;
  const Integers& axes = wide.attributes.integers("axes");
  const Value vector = wide.operands[0];
  if (axes.size() != 1 || body.node(vector.node).op->kind != OpKind::leaf) return std::nullopt;
  const auto axis = static_cast<int>(axes[0]);
  if (body.type(vector).shape[0] != wide.types[0].shape[axis]) return std::nullopt;
  return AddedVector{readers[0], vector.node, axis};
}

// Rounding a sum before something is added to it is part of what narrow types compute.
bool keeps_sums(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }

}  // namespace

Contraction start_contraction(const LowerContext& c, int64_t channels, const Shape& taps) {
  Halide::Region ranges{{0, static_cast<int>(channels)}};
  for (size_t axis = taps.size(); axis-- > 0;) ranges.push_back({0, static_cast<int>(taps[axis])});
  const Halide::RDom over(ranges);
  Contraction contraction;
  contraction.func = Func(std::string(c.node().op->name) + "_" + std::to_string(c.index));
  contraction.node = c.index;
  contraction.domain = over;
  contraction.channel = over[0];
  contraction.channels = channels;
  contraction.tap_extents.assign(taps.rbegin(), taps.rend());
  for (size_t i = 0; i < taps.size(); ++i) {
    contraction.taps.push_back(over[static_cast<int>(i) + 1]);
  }
  return contraction;
}

void finish_contraction(LowerContext& c, Contraction contraction, const Expr& product) {
  const std::vector<Halide::Var> variables = logical_variables(c.result_type().rank());
  const Halide::Type type = compute_type(c.result_type().dtype);
  const auto added = added_vector(c.kernel.body, c.index);
  Expr first = Halide::cast(type, 0);
  if (added && keeps_sums(c.result_type().dtype)) {
    const size_t innermost = variables.size() - 1;
    first =
        c.kernel.values[added->leaf][0](variables[innermost - static_cast<size_t>(added->axis)]);
    c.kernel.values[added->addition] = {contraction.func};
  }
  contraction.func(variables) = first;
  contraction.func(variables) += Halide::cast(type, product);
  c.kernel.values[c.index][0] = contraction.func;
  c.kernel.contractions.push_back(std::move(contraction));
}

}  // namespace ag::lower
