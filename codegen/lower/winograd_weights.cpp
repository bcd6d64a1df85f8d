// Winograd's weights: G w Gᵀ, columns first.

#include "codegen/lower/lowering.h"
#include "codegen/lower/winograd_transform.h"

namespace ag::lower {
namespace {

using Halide::Expr;
using Halide::Var;

void lower_winograd_weights(LowerContext& c) {
  const int rank = c.result_type().rank();
  const bool transposed = c.attributes().flag("transposed"),
             reversed = c.attributes().flag("reversed");
  const WinogradMatrices::Matrix& g =
      WinogradMatrices::of_tile(c.attributes().integer("tile")).weights;
  const Shape& w = c.operand_type(0).shape;
  auto tap = [&](int axis, const Expr& k) {
    return reversed ? static_cast<int>(w[axis]) - 1 - k : k;
  };
  const std::vector<Var> variables = logical_variables(rank);  // column, row, …, axis 1, axis 0
  auto weight = [&](const Expr& y, const Expr& x) {
    Coordinates at(variables.rbegin(), variables.rend());
    if (transposed) std::swap(at[0], at[1]);
    for (int axis = 2; axis < rank - 2; ++axis) at[axis] = tap(axis, at[axis]);
    at[rank - 2] = tap(rank - 2, y);
    at[rank - 1] = tap(rank - 1, x);
    return c.operand(0, at);
  };
  Halide::Func& rows = c.kernel.weight_rows;
  rows = Halide::Func("weight_rows_" + std::to_string(c.index));
  rows(variables) = transformed(g, variables[1], [&](int k) { return weight(k, variables[0]); });
  Halide::Func result("winograd_weights_" + std::to_string(c.index));
  result(variables) = transformed(g, variables[0], [&](int k) {
    std::vector<Expr> at(variables.begin(), variables.end());
    at[0] = k;
    return rows(at);
  });
  c.kernel.values[c.index][0] = result;
}

constexpr Lowering kWinogradWeightsLowerings[] = {{&ops::winograd_weights, lower_winograd_weights}};

}  // namespace

std::span<const Lowering> winograd_weights_lowerings() { return kWinogradWeightsLowerings; }

}  // namespace ag::lower
