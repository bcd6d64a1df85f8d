// The gradient towards the weights of a convolution of 3x3 taps, by Winograd's minimal filtering.

#include <fmt/format.h>

#include "ir/infer.h"
#include "ir/ops/winograd.h"

namespace ag {
namespace {

using Matrix = WinogradMatrices::Matrix;

constexpr AttributeSpec kAttributes[] = {optional_integer("tile", 2),
                                         optional_integers("padding", 0)};

// ---- shape rule ----

void check_operands(const InferContext& c, int64_t tile) {
  const TensorType &x = c.operand(0), &dy = c.operand(1);
  if (tile != 2 && tile != 4)
    throw c.error(fmt::format("tile is {}, but there are F(2x2) and F(4x4)", tile))
        .help("set tile=2 or tile=4");
  const bool computes = x.dtype == DType::f32 || x.dtype == DType::f64;  // halves lose too much
  if (x.rank() != 4 || dy.rank() != 4 || x.dtype != dy.dtype || !computes) {
    throw c
        .error(fmt::format("operand {} and gradient {} are not images of f32 or f64", to_string(x),
                           to_string(dy)))
        .help("give [batch, channels, height, width] and [batch, output channels, …]");
  }
}

std::vector<TensorType> infer(const InferContext& c) {
  check_operands(c, c.attributes.integer("tile"));
  const TensorType &x = c.operand(0), &dy = c.operand(1);
  const Integers& given = c.attributes.integers("padding");
  if (!given.empty() && given.size() != 4)
    throw c.error(fmt::format("padding {} has {} entries", to_string(given), given.size()))
        .help("give low and high of both spatial axes: [low0,high0,low1,high1]");
  const Integers padding = c.attributes.integers("padding", 4, 0);
  Shape wanted{x.shape[0], dy.shape[1], 0, 0};
  for (size_t axis : {2, 3}) {
    const int64_t low = padding[2 * axis - 4], high = padding[2 * axis - 3];
    wanted[axis] = x.shape[axis] + low + high - 2;
    if (low < 0 || high < 0 || wanted[axis] < 1) {
      throw c
          .error(fmt::format("padding {} and {} around extent {} leaves no room for a window", low,
                             high, x.shape[axis]))
          .help("pad so that at least 3 elements remain; paddings are not negative");
    }
  }
  if (dy.shape != wanted) {
    throw c
        .error(fmt::format("gradient {} does not fit operand {} with padding {}", to_string(dy),
                           to_string(x), to_string(padding)))
        .help(fmt::format("make it {}", to_string(dy.with_shape(wanted))));
  }
  return {x.with_shape({dy.shape[1], x.shape[1], 3, 3})};
}

// ---- reference semantics ----

struct Reference {
  const EvalContext& c;
  WinogradSpec spec = WinogradSpec::of(c.attributes, 2);
  const WinogradMatrices& matrices = WinogradMatrices::of_tile(spec.tile);

  // The square of `size` × `size` elements of a plane that starts at (y, x); zero outside.
  static Matrix square(const ReferenceTensor& images, int64_t image, int64_t channel, int64_t y,
                       int64_t x, int64_t size) {
    const Shape& shape = images.shape;
    const int64_t plane = (image * shape[1] + channel) * shape[2] * shape[3];
    Matrix d(size, std::vector<double>(size, 0));
    for (int64_t r = std::max<int64_t>(0, -y); r < std::min(size, shape[2] - y); ++r) {
      for (int64_t s = std::max<int64_t>(0, -x); s < std::min(size, shape[3] - x); ++s)
        d[r][s] = images.floats[plane + (y + r) * shape[3] + x + s];
    }
    return d;
  }

  Matrix patch(int64_t image, int64_t i, int64_t ty, int64_t tx) const {
    return WinogradMatrices::both_sides(matrices.input,
                                        square(c.operand(0), image, i, ty * spec.tile - spec.low[0],
                                               tx * spec.tile - spec.low[1], spec.patch()));
  }
  Matrix gradient(int64_t image, int64_t o, int64_t ty, int64_t tx) const {
    return WinogradMatrices::both_sides(
        WinogradMatrices::transposed(matrices.output),
        square(c.operand(1), image, o, ty * spec.tile, tx * spec.tile, spec.tile));
  }
  // Adds what one tile of an image contributes to the sums of all pairs of channels.
  void add_tile(std::vector<Matrix>& sums, int64_t image, int64_t ty, int64_t tx) const {
    const int64_t inputs = c.operand(0).shape[1], size = spec.patch();
    std::vector<Matrix> patches;
    for (int64_t i = 0; i < inputs; ++i) patches.push_back(patch(image, i, ty, tx));
    for (int64_t o = 0; o < c.operand(1).shape[1]; ++o) {
      const Matrix dy = gradient(image, o, ty, tx);
      for (int64_t i = 0; i < inputs; ++i) {
        Matrix& sum = sums[o * inputs + i];
        for (int64_t r = 0; r < size; ++r) {
          for (int64_t s = 0; s < size; ++s) sum[r][s] += dy[r][s] * patches[i][r][s];
        }
      }
    }
  }
};

void eval(const EvalContext& c) {
  const Reference reference{c};
  const WinogradSpec& spec = reference.spec;
  const Shape& dy = c.operand(1).shape;
  const int64_t pairs = dy[1] * c.operand(0).shape[1];
  std::vector<Matrix> sums(pairs, Matrix(spec.patch(), std::vector<double>(spec.patch(), 0)));
  for (int64_t image = 0; image < dy[0]; ++image) {
    for (int64_t ty = 0; ty < spec.tiles(0, dy[2]); ++ty) {
      for (int64_t tx = 0; tx < spec.tiles(1, dy[3]); ++tx) reference.add_tile(sums, image, ty, tx);
    }
  }
  const Matrix back = WinogradMatrices::transposed(reference.matrices.weights);
  for (int64_t pair = 0; pair < pairs; ++pair) {
    const Matrix w = WinogradMatrices::both_sides(back, sums[pair]);
    for (int64_t k = 0; k < 9; ++k) c.result().floats[pair * 9 + k] = w[k / 3][k % 3];
  }
}

// Of the convolution it stands for: so that GFLOP/s compare.
int64_t flops(const Node& node, std::span<const TensorType> operands) {
  const Shape& dy = operands[1].shape;
  return 2 * node.types[0].count() * dy[0] * dy[2] * dy[3];
}

}  // namespace

namespace ops {

constinit const OpDef winograd_backward_weights{.name = "winograd_backward_weights",
                                                .arity = {2, 2},
                                                .attributes = kAttributes,
                                                .infer = infer,
                                                .eval = eval,
                                                .differentiable = false,
                                                .flops = flops};

}  // namespace ops

Tensor winograd_backward_weights(Operand x, Operand dy, int64_t tile, Integers padding) {
  return apply(ops::winograd_backward_weights, {x.tensor, dy.tensor},
               {{"tile", tile}, {"padding", std::move(padding)}}, x.where);
}

}  // namespace ag
