// Winograd's gradient towards weights: tiles of inputs and of the result's gradient, transformed;
// for each element of a patch one sum of products over all tiles; the weights' gradient.

#include "codegen/lower/lowering.h"
#include "codegen/lower/winograd_transform.h"

namespace ag::lower {
namespace {

using Halide::Expr;
using Halide::Func;
using Halide::Var;
using Matrix = WinogradMatrices::Matrix;

// Tiles in one row: along x, then y, then images.
struct Tiles {
  int size, x, y, images;

  Tiles(const WinogradSpec& spec, const Shape& dy)
      : size(static_cast<int>(spec.tile)),
        x(static_cast<int>(spec.tiles(1, dy[3]))),
        y(static_cast<int>(spec.tiles(0, dy[2]))),
        images(static_cast<int>(dy[0])) {}

  int count() const { return x * y * images; }
  // Where a tile starts, and its image.
  Expr x_of(const Expr& tile) const { return tile % x * size; }
  Expr y_of(const Expr& tile) const { return tile / x % y * size; }
  Expr image_of(const Expr& tile) const { return tile / (x * y); }
};

// Operand i with zeros around it, in logical coordinates.
Func surrounded(const LowerContext& c, size_t i, const Integers& low, const Integers& high) {
  const std::vector<Var> variables = logical_variables(4);
  Func image("surrounded" + std::to_string(i));
  image(variables) =
      c.operand_or_zero(i, Coordinates(variables.rbegin(), variables.rend()), low, high);
  return image;
}

// matrix · square · matrixᵀ of the squares of an image that begin at (x, y) of each tile.
void define_transform(const WinogradBackward::Variables& v, const Tiles& tiles, int block,
                      const Matrix& matrix, const Integers& low, const Func& image, Func& rows,
                      Func& squares) {
  const std::vector<Var> at{v.lane, v.tile, v.block, v.column, v.row};
  const Expr x = tiles.x_of(v.tile) - static_cast<int>(low[3]);
  const Expr y = tiles.y_of(v.tile) - static_cast<int>(low[2]);
  const Expr channel = v.block * block + v.lane;
  rows(at) = transformed(matrix, v.row, [&](int k) {
    return image(x + v.column, y + k, channel, tiles.image_of(v.tile));
  });
  squares(at) =
      transformed(matrix, v.column, [&](int k) { return rows(v.lane, v.tile, v.block, k, v.row); });
}

int block_of(const LowerContext& c, size_t i) {
  const int leaf = c.operand_leaf(i);
  if (leaf < 0) return 1;
  return static_cast<int>(c.kernel.operand_forms[leaf].type.layout.block_of(1));
}

void define_tiles(const LowerContext& c, WinogradBackward& w, const WinogradSpec& spec,
                  const Tiles& tiles) {
  const Shape &x = c.operand_type(0).shape, &dy = c.operand_type(1).shape;
  const WinogradMatrices& matrices = WinogradMatrices::of_tile(spec.tile);
  const Integers low{0, 0, spec.low[0], spec.low[1]}, none(4, 0);
  w.input = surrounded(c, 0, low, {0, 0, spec.reach(0, x[2], dy[2]), spec.reach(1, x[3], dy[3])});
  define_transform(w.variables, tiles, w.input_block, matrices.input, low, w.input, w.input_rows,
                   w.patches);
  w.gradient =
      surrounded(c, 1, none, {0, 0, tiles.y * spec.tile - dy[2], tiles.x * spec.tile - dy[3]});
  define_transform(w.variables, tiles, w.output_block,
                   WinogradMatrices::transposed(matrices.output), none, w.gradient, w.gradient_rows,
                   w.gradients);
}

Contraction sum_products(const LowerContext& c, const WinogradBackward& w, const Tiles& tiles) {
  const WinogradBackward::Variables& v = w.variables;
  Contraction sum = start_contraction(c, tiles.count(), {});
  auto at = [&](const Func& squares, const Var& channel, int block) {
    return squares(channel % block, sum.channel, channel / block, v.column, v.row);
  };
  const std::vector<Var> result{v.output, v.input, v.column, v.row};
  sum.func(result) = Halide::cast(compute_type(c.result_type().dtype), 0);
  sum.func(result) +=
      at(w.gradients, v.output, w.output_block) * at(w.patches, v.input, w.input_block);
  return sum;
}

void define_weights(const LowerContext& c, WinogradBackward& w, const Func& sum,
                    const WinogradSpec& spec) {
  const WinogradBackward::Variables& v = w.variables;
  const Matrix back = WinogradMatrices::transposed(WinogradMatrices::of_tile(spec.tile).weights);
  w.weight_rows(v.output, v.column, v.tap_y, v.input) =
      transformed(back, v.tap_y, [&](int k) { return sum(v.output, v.input, v.column, k); });
  w.weights(v.output, v.tap_x, v.tap_y, v.input) = transformed(
      back, v.tap_x, [&](int k) { return w.weight_rows(v.output, k, v.tap_y, v.input); });
  const std::vector<Var> at = logical_variables(4);  // x, y, input, output
  Func result("winograd_weights_" + std::to_string(c.index));
  result(at) = w.weights(at[3], at[0], at[1], at[2]);
  c.kernel.values[c.index][0] = result;
}

void lower_winograd_backward_weights(LowerContext& c) {
  const WinogradSpec spec = WinogradSpec::of(c.node());
  const Tiles tiles(spec, c.operand_type(1).shape);
  WinogradBackward w;
  w.input_block = block_of(c, 0);
  w.output_block = block_of(c, 1);
  define_tiles(c, w, spec, tiles);
  Contraction sum = sum_products(c, w, tiles);
  define_weights(c, w, sum.func, spec);
  c.kernel.contractions.push_back(std::move(sum));
  c.kernel.winograd_backward = std::move(w);
}

constexpr Lowering kWinogradBackwardLowerings[] = {
    {&ops::winograd_backward_weights, lower_winograd_backward_weights}};

}  // namespace

std::span<const Lowering> winograd_backward_lowerings() { return kWinogradBackwardLowerings; }

}  // namespace ag::lower
