// Winograd's minimal filtering: transformed patches, one product per element of a patch, results.

#include "ir/ops/winograd.h"

#include "codegen/lower/lowering.h"
#include "codegen/lower/winograd_transform.h"

namespace ag::lower {
namespace {

using Halide::Expr;
using Halide::Func;
using Halide::Var;

// Where the tiles of an axis lie: tile t starts at t / dilation * span + t % dilation, its span and
// its phase.
struct TiledAxis {
  int tile, dilation, span, count, low;
  int64_t reach;

  TiledAxis(const LowerContext& c, const WinogradSpec& spec, int axis)
      : tile(static_cast<int>(spec.tile)),
        dilation(static_cast<int>(spec.dilation[axis])),
        span(static_cast<int>(spec.span(axis))),
        count(static_cast<int>(spec.tiles(axis, c.result_type().shape[axis + 2]))),
        low(static_cast<int>(spec.low[axis])),
        reach(
            spec.reach(axis, c.operand_type(0).shape[axis + 2], c.result_type().shape[axis + 2])) {}

  // Of the operand: what element k of the patch of tile t is.
  Expr element(const Expr& t, const Expr& k) const {
    if (dilation == 1) return t * tile + k - low;
    return t / dilation * span + t % dilation + k * dilation - low;
  }
  // Of a tile by span and phase. Behind the last result there may be no tile.
  Expr tile_of(const Expr& in_span, const Expr& phase) const {
    if (dilation == 1) return in_span;
    return Halide::min(in_span * dilation + phase, count - 1);
  }
};

// The left operand around its edges: its halo, or zeros. The axes in front have no edges: what lies
// behind them is not multiplied.
Func patches(const LowerContext& c, const TiledAxis& x_axis, const TiledAxis& y_axis) {
  const int rank = c.result_type().rank();
  Integers low(rank - 2, 0), high(rank - 2, 0);
  low.insert(low.end(), {y_axis.low, x_axis.low});
  high.insert(high.end(), {y_axis.reach, x_axis.reach});
  const std::vector<Var> variables = logical_variables(rank);
  Coordinates at(variables.rbegin(), variables.rend());
  for (int axis = 2; axis < rank - 2; ++axis)
    at[axis] = Halide::clamp(at[axis], 0, static_cast<int>(c.operand_type(0).shape[axis]) - 1);
  Func padded("padded_" + std::to_string(c.index));
  padded(variables) = c.operand_or_zero(0, at, low, high);
  return padded;
}

// (channel, tile_x, tile_y, outer…, column, row)
std::vector<Expr> place(const Winograd::Variables& v, const Expr& channel,
                        const std::vector<Expr>& outer, const Expr& column, const Expr& row) {
  std::vector<Expr> at{channel, v.tile_x, v.tile_y};
  at.insert(at.end(), outer.begin(), outer.end());
  at.insert(at.end(), {column, row});
  return at;
}

// The same as variables, for a definition.
std::vector<Var> arguments(const Winograd::Variables& v, const Var& column, const Var& row) {
  std::vector<Var> at{v.channel, v.tile_x, v.tile_y};
  at.insert(at.end(), v.outer.begin(), v.outer.end());
  at.insert(at.end(), {column, row});
  return at;
}

Winograd::Variables variables_of(int rank) {
  Winograd::Variables v;
  for (int axis = rank - 3; axis >= 2; --axis) v.outer.emplace_back("z" + std::to_string(axis));
  v.outer.emplace_back("image");
  return v;
}

void define_patches(const LowerContext& c, Winograd& w, const WinogradSpec& spec) {
  const int spatial = c.result_type().rank() - 2;
  const WinogradMatrices& matrices = WinogradMatrices::of_tile(spec.tile);
  const TiledAxis x_axis(c, spec, spatial - 1), y_axis(c, spec, spatial - 2);
  const Winograd::Variables& v = w.variables;
  w.input = patches(c, x_axis, y_axis);
  const std::vector<Expr> outer(v.outer.begin(), v.outer.end());
  w.input_rows(arguments(v, v.column, v.row)) = transformed(matrices.input, v.row, [&](int k) {
    std::vector<Expr> at{x_axis.element(v.tile_x, v.column), y_axis.element(v.tile_y, k)};
    at.insert(at.end(), outer.begin(), outer.end() - 1);
    at.insert(at.end(), {v.channel, outer.back()});
    return w.input(at);
  });
  w.patches(arguments(v, v.column, v.row)) = transformed(matrices.input, v.column, [&](int k) {
    return w.input_rows(place(v, v.channel, outer, k, v.row));
  });
}

// The sum over channels and the taps of the axes in front, of which only those that meet an element
// count.
Contraction sum_products(const LowerContext& c, Winograd& w, const WinogradSpec& spec) {
  const Shape &x = c.operand_type(0).shape, &u = c.operand_type(1).shape;
  const int front = c.result_type().rank() - 4;
  const Winograd::Variables& v = w.variables;
  Contraction contraction = start_contraction(
      c, std::min(c.stored_extent(0, 1), c.stored_extent(1, 1)), Shape(u.begin() + 2, u.end() - 2));
  std::vector<Expr> outer(v.outer.begin(), v.outer.end());
  Coordinates weights{v.channel, contraction.channel};
  for (int axis = 0; axis < front; ++axis) {
    const Expr tap = contraction.taps[front - 1 - axis];
    Expr& at = outer[front - 1 - axis];
    at = at + tap * static_cast<int>(spec.dilation[axis]) - static_cast<int>(spec.low[axis]);
    weights.push_back(tap);
    if (spec.low[axis] == 0 && spec.high[axis] == 0) continue;
    contraction.domain.where(at >= 0 && at < static_cast<int>(x[axis + 2]));
  }
  weights.insert(weights.end(), {v.row, v.column});
  const std::vector<Var> at = arguments(v, v.column, v.row);
  contraction.func(at) = Halide::cast(compute_type(c.result_type().dtype), 0);
  contraction.func(at) +=
      c.operand(1, weights) * w.patches(place(v, contraction.channel, outer, v.column, v.row));
  w.products(at) = contraction.func(at);
  return contraction;
}

void define_output(const LowerContext& c, Winograd& w, const WinogradSpec& spec) {
  const int rank = c.result_type().rank();
  const WinogradMatrices& matrices = WinogradMatrices::of_tile(spec.tile);
  const Winograd::Variables& v = w.variables;
  const std::vector<Expr> outer(v.outer.begin(), v.outer.end());
  const Var y_in("tile_row"), x_in("tile_column"), phase_x("phase_x"), phase_y("phase_y"),
      span_x("span_x"), span_y("span_y");
  w.output_rows(arguments(v, v.column, y_in)) = transformed(matrices.output, y_in, [&](int k) {
    return w.products(place(v, v.channel, outer, v.column, k));
  });
  const TiledAxis x_axis(c, spec, rank - 3), y_axis(c, spec, rank - 4);
  w.output_position = {x_in, y_in, phase_x, phase_y, span_x, span_y};
  std::vector<Var> to{v.channel, x_in, y_in, phase_x, phase_y, span_x, span_y};
  to.insert(to.end(), v.outer.begin(), v.outer.end());
  w.output(to) = transformed(matrices.output, x_in, [&](int k) {
    std::vector<Expr> row{v.channel, x_axis.tile_of(span_x, phase_x),
                          y_axis.tile_of(span_y, phase_y)};
    row.insert(row.end(), outer.begin(), outer.end());
    row.insert(row.end(), {k, y_in});
    return w.output_rows(row);
  });

  const std::vector<Var> at = logical_variables(rank);  // x, y, …, channel, image
  const auto &x = at[0], &y = at[1];
  std::vector<Expr> from{at[rank - 2],
                         x / x_axis.dilation % x_axis.tile,
                         y / y_axis.dilation % y_axis.tile,
                         x % x_axis.dilation,
                         y % y_axis.dilation,
                         x / x_axis.span,
                         y / y_axis.span};
  from.insert(from.end(), at.begin() + 2, at.end() - 2);
  from.push_back(at[rank - 1]);
  Func result("winograd_" + std::to_string(c.index));
  result(at) = w.output(from);
  c.kernel.values[c.index][0] = result;
}

void lower_winograd_conv(LowerContext& c) {
  const WinogradSpec spec = WinogradSpec::of(c.node());
  Winograd w;
  w.variables = variables_of(c.result_type().rank());
  define_patches(c, w, spec);
  Contraction contraction = sum_products(c, w, spec);
  define_output(c, w, spec);
  c.kernel.contractions.push_back(std::move(contraction));
  c.kernel.winograd = std::move(w);
}

constexpr Lowering kWinogradLowerings[] = {{&ops::winograd_conv, lower_winograd_conv}};

}  // namespace

std::span<const Lowering> winograd_lowerings() { return kWinogradLowerings; }

}  // namespace ag::lower
