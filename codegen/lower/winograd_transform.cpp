#include "codegen/lower/winograd_transform.h"

#include "codegen/lower/kernel.h"

namespace ag::lower {
namespace {

using Halide::Expr;

// A sum with the coefficients of one row of a small matrix.
Expr combination(const std::vector<double>& row, const std::function<Expr(int)>& term) {
  Expr sum;
  for (size_t k = 0; k < row.size(); ++k) {
    if (row[k] == 0) continue;
    Expr value = term(static_cast<int>(k));
    const double size = std::abs(row[k]);
    if (size != 1) value = value * Halide::cast(value.type(), Expr(size));
    if (!sum.defined())
      sum = row[k] < 0 ? -value : value;
    else
      sum = row[k] < 0 ? sum - value : sum + value;
  }
  return sum;
}

}  // namespace

std::vector<Halide::Func> winograd_steps(const Kernel& kernel) {
  if (const auto& w = kernel.winograd)
    return {w->input_rows, w->patches, w->products, w->output_rows, w->output};
  if (const auto& w = kernel.winograd_backward)
    return {w->input_rows, w->patches, w->gradient_rows, w->gradients, w->weight_rows, w->weights};
  return {};
}

Expr transformed(const WinogradMatrices::Matrix& matrix, const Halide::Var& which,
                 const std::function<Expr(int)>& term) {
  std::vector<Expr> rows;
  for (const std::vector<double>& row : matrix) rows.push_back(combination(row, term));
  return Halide::mux(which, rows);
}

}  // namespace ag::lower
