// Reading and adding at indices given as data. Every index is clamped into its axis.

#include "ir/ops/index.h"

#include <algorithm>

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

// A sum into elements that data names: where each update goes, and what it is.
struct Scatter {
  std::vector<Halide::Var> variables;  // of the result, in Halide's order
  int axis;                            // of the result that the indices choose
  Halide::RDom over;                   // the updates that may meet at one element
  int64_t updates;                     // of them
  Expr index, update;
};

// For devices, every element of the result looks through all updates and adds its own, an ordinary
// sum that threads can share. It reads the indices once for each element; where that is more than
// some milliseconds, the updates are added one after another instead, side by side along the axes
// that the indices do not choose, if these are many.
bool sums_by_element(const LowerContext& c, const Scatter& scatter) {
  constexpr double kMostReads = 4e9;
  constexpr int64_t kManyColumns = 64;
  if (!c.kernel.target.is_cuda()) return false;
  const int64_t results = c.result_type().count();
  const int64_t columns = results / std::max<int64_t>(c.result_type().shape[scatter.axis], 1);
  return columns < kManyColumns ||
         static_cast<double>(results) * static_cast<double>(scatter.updates) <= kMostReads;
}

// The update, which is read where it is chosen alone. The choice is not a predicate of the domain:
// Halide would evaluate it together with the guard of a loop's last turn, so that threads behind
// the last update read indices that are not there.
Expr where_chosen(const Expr& chosen, const Expr& update) {
  using Halide::Internal::Call;
  const Expr nothing = Halide::cast(update.type(), 0);
  return Call::make(update.type(), Call::if_then_else, {chosen, update, nothing},
                    Call::PureIntrinsic);
}

// Zeros, then one addition after another: updates may meet at one element.
void lower_scatter(LowerContext& c, Scatter scatter) {
  Func sum(std::string(c.node().op->name) + "_" + std::to_string(c.index));
  sum(scatter.variables) = Halide::cast(compute_type(c.result_type().dtype), 0);
  const bool by_element = sums_by_element(c, scatter);
  std::vector<Expr> target(scatter.variables.begin(), scatter.variables.end());
  Expr& chosen = target[target.size() - 1 - static_cast<size_t>(scatter.axis)];
  if (by_element)
    scatter.update = where_chosen(scatter.index == chosen, scatter.update);
  else
    chosen = scatter.index;
  sum(target) += scatter.update;
  c.kernel.values[c.index][0] = sum;
  Reduction reduction{sum, {c.index}, {}, {}, {}, scatter.updates, !by_element};
  for (int i = 0; i < scatter.over.dimensions(); ++i)
    reduction.variables.push_back(scatter.over[i]);
  c.kernel.reductions.push_back(std::move(reduction));
}

void lower_scatter_along_add(LowerContext& c) {
  const auto axis = static_cast<int>(c.attributes().integer("axis"));
  const TensorType& result = c.result_type();
  const std::vector<Halide::Var> variables = logical_variables(result.rank());
  const int64_t updates = c.operand_type(0).shape[axis];
  const Halide::RDom over(0, static_cast<int>(updates));
  Coordinates source(variables.rbegin(), variables.rend());
  source[axis] = over[0];
  lower_scatter(c, {variables, axis, over, updates,
                    index_into(c.operand(1, source), result.shape[axis]), c.operand(0, source)});
}

void lower_scatter_rows_add(LowerContext& c) {
  const TensorType& result = c.result_type();
  const Shape& indices = c.operand_type(1).shape;
  Halide::Region ranges;
  for (size_t i = indices.size(); i-- > 0;) ranges.emplace_back(0, static_cast<int>(indices[i]));
  if (ranges.empty()) ranges.emplace_back(0, 1);
  const Halide::RDom over(ranges);
  Coordinates where;
  for (size_t i = 0; i < indices.size(); ++i)
    where.push_back(over[static_cast<int>(indices.size() - 1 - i)]);
  const std::vector<Halide::Var> variables = logical_variables(result.rank());
  const Coordinates target(variables.rbegin(), variables.rend());
  Coordinates source = where;
  source.insert(source.end(), target.begin() + 1, target.end());
  lower_scatter(c, {variables, 0, over, element_count(indices),
                    index_into(c.operand(1, where), result.shape[0]), c.operand(0, source)});
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
