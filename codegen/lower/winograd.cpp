// Winograd's minimal filtering: transformed patches, one product per element of a patch, results.

#include "ir/ops/winograd.h"

#include "codegen/lower/lowering.h"

namespace ag::lower {
namespace {

using Halide::Expr;
using Halide::Func;
using Halide::Var;

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

// Row `which` of matrix · terms, for a loop variable that the schedule unrolls.
Expr transformed(const WinogradMatrices::Matrix& matrix, const Var& which,
                 const std::function<Expr(int)>& term) {
  std::vector<Expr> rows;
  for (const std::vector<double>& row : matrix) rows.push_back(combination(row, term));
  return Halide::mux(which, rows);
}

// The left operand around its edges: its halo, or zeros.
Func patches(const LowerContext& c, const WinogradSpec& spec) {
  const Shape &in = c.operand_type(0).shape, &out = c.result_type().shape;
  const Integers low{0, 0, spec.low[0], spec.low[1]},
      high{0, 0, spec.reach(0, in[2], out[2]), spec.reach(1, in[3], out[3])};
  const std::vector<Var> variables = logical_variables(4);
  Func padded("padded_" + std::to_string(c.index));
  padded(variables) =
      c.operand_or_zero(0, Coordinates(variables.rbegin(), variables.rend()), low, high);
  return padded;
}

void lower_winograd_conv(LowerContext& c) {
  const WinogradSpec spec = WinogradSpec::of(c.attributes());
  const WinogradMatrices& matrices = WinogradMatrices::of_tile(spec.tile);
  const int m = static_cast<int>(spec.tile);
  const int low_y = static_cast<int>(spec.low[0]), low_x = static_cast<int>(spec.low[1]);
  Winograd w;
  const auto& [channel, tile_x, tile_y, image, column, row] = w.variables;
  w.input = patches(c, spec);
  w.input_rows(channel, column, row, tile_x, tile_y, image) =
      transformed(matrices.input, row, [&](int k) {
        return w.input(tile_x * m + column - low_x, tile_y * m + k - low_y, channel, image);
      });
  w.patches(channel, tile_x, tile_y, image, column, row) =
      transformed(matrices.input, column,
                  [&](int k) { return w.input_rows(channel, k, row, tile_x, tile_y, image); });

  Contraction contraction =
      start_contraction(c, std::min(c.stored_extent(0, 1), c.stored_extent(1, 1)), {});
  contraction.func(channel, tile_x, tile_y, image, column, row) =
      Halide::cast(compute_type(c.result_type().dtype), 0);
  contraction.func(channel, tile_x, tile_y, image, column, row) +=
      c.operand(1, {channel, contraction.channel, row, column}) *
      w.patches(contraction.channel, tile_x, tile_y, image, column, row);
  w.products(channel, tile_x, tile_y, image, column, row) =
      contraction.func(channel, tile_x, tile_y, image, column, row);

  const Var y_in("tile_row"), x_in("tile_column");
  w.output_rows(channel, column, y_in, tile_x, tile_y, image) =
      transformed(matrices.output, y_in,
                  [&](int k) { return w.products(channel, tile_x, tile_y, image, column, k); });
  w.output(channel, x_in, y_in, tile_x, tile_y, image) =
      transformed(matrices.output, x_in,
                  [&](int k) { return w.output_rows(channel, k, y_in, tile_x, tile_y, image); });
  w.output_position = {x_in, y_in};

  const std::vector<Var> at = logical_variables(4);  // x, y, channel, image
  Func result("winograd_" + std::to_string(c.index));
  result(at) = w.output(at[2], at[0] % m, at[1] % m, at[0] / m, at[1] / m, at[3]);
  c.kernel.values[c.index][0] = result;
  c.kernel.contractions.push_back(std::move(contraction));
  c.kernel.winograd = std::move(w);
}

constexpr Lowering kWinogradLowerings[] = {{&ops::winograd_conv, lower_winograd_conv}};

}  // namespace

std::span<const Lowering> winograd_lowerings() { return kWinogradLowerings; }

}  // namespace ag::lower
