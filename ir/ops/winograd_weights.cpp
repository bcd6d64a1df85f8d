// The weights of a convolution of 3x3 taps as Winograd's minimal filtering multiplies them.

#include <fmt/format.h>

#include "ir/infer.h"
#include "ir/ops/winograd.h"

namespace ag {
namespace {

using Matrix = WinogradMatrices::Matrix;

constexpr AttributeSpec kAttributes[] = {optional_integer("tile", 2), flag("transposed"),
                                         flag("reversed")};

std::vector<TensorType> infer(const InferContext& c) {
  const int64_t tile = c.attributes.integer("tile");
  const TensorType& w = c.operand(0);
  if (tile != 2 && tile != 4)
    throw c.error(fmt::format("tile is {}, but there are F(2x2) and F(4x4)", tile))
        .help("set tile=2 or tile=4");
  const bool computes = w.dtype == DType::f32 || w.dtype == DType::f64;  // halves lose too much
  if (w.rank() < 4 || !computes || w.shape.back() != 3 || w.shape.end()[-2] != 3) {
    throw c.error(fmt::format("{} are no weights of 3x3 taps of f32 or f64", to_string(w)))
        .help("give [outputs, inputs, taps…, 3, 3]");
  }
  Shape shape = w.shape;
  if (c.attributes.flag("transposed")) std::swap(shape[0], shape[1]);
  shape.back() = shape.end()[-2] = tile + 2;
  return {w.with_shape(shape)};
}

void eval(const EvalContext& c) {
  const Shape &from = c.operand(0).shape, &to = c.result().shape;
  const bool transposed = c.attributes.flag("transposed"), reversed = c.attributes.flag("reversed");
  const Matrix& g = WinogradMatrices::of_tile(c.attributes.integer("tile")).weights;
  const int64_t taps = element_count(Shape(from.begin() + 2, from.end() - 2));
  const auto size = static_cast<int64_t>(g.size());
  for (int64_t square = 0; square < to[0] * to[1] * taps; ++square) {
    const int64_t tap = square % taps, b = square / taps % to[1], a = square / taps / to[1];
    const int64_t pair = transposed ? b * from[1] + a : a * from[1] + b;
    const double* w = &c.operand(0).floats[(pair * taps + (reversed ? taps - 1 - tap : tap)) * 9];
    Matrix d(3, std::vector<double>(3));
    for (int64_t k = 0; k < 9; ++k) d[k / 3][k % 3] = w[reversed ? 8 - k : k];
    const Matrix u = WinogradMatrices::both_sides(g, d);
    for (int64_t k = 0; k < size * size; ++k)
      c.result().floats[square * size * size + k] = u[k / size][k % size];
  }
}

}  // namespace

namespace ops {

constinit const OpDef winograd_weights{.name = "winograd_weights",
                                       .arity = {1, 1},
                                       .attributes = kAttributes,
                                       .infer = infer,
                                       .eval = eval,
                                       .differentiable = false};

}  // namespace ops

Tensor winograd_weights(Operand w, int64_t tile, bool transposed, bool reversed) {
  return apply(ops::winograd_weights, {w.tensor},
               {{"tile", tile}, {"transposed", transposed}, {"reversed", reversed}}, w.where);
}

}  // namespace ag
