// Reading and adding at indices given as data. Every index is clamped into its axis.

#include "ir/ops/index.h"

#include "codegen/lower/lowering.h"

namespace ag::lower {
namespace {

using Halide::Expr;
using Halide::Func;

Expr index_into(const Expr& index, int64_t extent) {
  const Halide::Type type = index.type();
  const Expr last = static_cast<int>(extent) - 1;
  if (type.bits() < 32 || type == Halide::Int(32)) {
    return Halide::clamp(Halide::cast<int>(index), 0, last);
  }
  // Clamped in the index's own type, so that it does not wrap first; Halide loses such bounds in
  // the cast.
  const Expr inside = Halide::clamp(index, Halide::cast(type, 0), Halide::cast(type, last));
  return Halide::unsafe_promise_clamped(Halide::cast<int>(inside), 0, last);
}

void lower_take_along(LowerContext& c) {
  int64_t axis = c.attributes().integer("axis");
  define(c, 0, [&](const Coordinates& at) {
    Coordinates position = at;
    position[axis] = index_into(c.operand(1, at), c.operand_type(0).shape[axis]);
    return c.operand(0, position);
  });
}

void lower_gather_rows(LowerContext& c) {
  size_t index_rank = c.operand_type(1).shape.size();
  define(c, 0, [&](const Coordinates& at) {
    Coordinates where(at.begin(), at.begin() + static_cast<int64_t>(index_rank));
    Coordinates position{index_into(c.operand(1, where), c.operand_type(0).shape[0])};
    position.insert(position.end(), at.begin() + static_cast<int64_t>(index_rank), at.end());
    return c.operand(0, position);
  });
}

// Zeros, then one addition after another: updates may meet at one element.
Func start_scatter(LowerContext& c) {
  Func sum(std::string(c.node().op->name) + "_" + std::to_string(c.index));
  sum(logical_variables(c.result_type().rank())) =
      Halide::cast(compute_type(c.result_type().dtype), 0);
  return sum;
}

void finish_scatter(LowerContext& c, Func sum, const Coordinates& target, const Expr& update,
                    const Halide::RDom& over) {
  sum(Coordinates(target.rbegin(), target.rend())) += update;
  c.kernel.values[c.index][0] = sum;
  Reduction reduction{sum, {c.index}, {}, {}, {}};
  for (int i = 0; i < over.dimensions(); ++i) reduction.variables.push_back(over[i]);
  c.kernel.reductions.push_back(std::move(reduction));
}

void lower_scatter_along_add(LowerContext& c) {
  int64_t axis = c.attributes().integer("axis");
  const TensorType& result = c.result_type();
  Func sum = start_scatter(c);
  std::vector<Halide::Var> variables = logical_variables(result.rank());
  Halide::RDom over(0, static_cast<int>(c.operand_type(0).shape[axis]));
  Coordinates target(variables.rbegin(), variables.rend()), source = target;
  source[axis] = over[0];
  target[axis] = index_into(c.operand(1, source), result.shape[axis]);
  finish_scatter(c, sum, target, c.operand(0, source), over);
}

void lower_scatter_rows_add(LowerContext& c) {
  const TensorType& result = c.result_type();
  const Shape& indices = c.operand_type(1).shape;
  Func sum = start_scatter(c);
  Halide::Region ranges;
  for (size_t i = indices.size(); i-- > 0;) ranges.emplace_back(0, static_cast<int>(indices[i]));
  if (ranges.empty()) ranges.emplace_back(0, 1);
  Halide::RDom over(ranges);
  Coordinates where;
  for (size_t i = 0; i < indices.size(); ++i)
    where.push_back(over[static_cast<int>(indices.size() - 1 - i)]);
  std::vector<Halide::Var> variables = logical_variables(result.rank());
  Coordinates target(variables.rbegin(), variables.rend()), source = where;
  source.insert(source.end(), target.begin() + 1, target.end());
  target[0] = index_into(c.operand(1, where), result.shape[0]);
  finish_scatter(c, sum, target, c.operand(0, source), over);
}

constexpr Lowering kIndexLowerings[] = {
    {&ops::take_along, lower_take_along},
    {&ops::scatter_along_add, lower_scatter_along_add},
    {&ops::gather_rows, lower_gather_rows},
    {&ops::scatter_rows_add, lower_scatter_rows_add},
};

}  // namespace

std::span<const Lowering> index_lowerings() { return kIndexLowerings; }

}  // namespace ag::lower
