#include "ir/ops/winograd.h"

#include <fmt/format.h>

#include "ir/infer.h"
#include "ir/ops/contract.h"
#include "ir/ops/leaf.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

using Matrix = WinogradMatrices::Matrix;

constexpr AttributeSpec kAttributes[] = {optional_integer("tile", 2),
                                         optional_integers("padding", 0)};

// Toom-Cook interpolation (Barabasz, Anderson, Soodhalter, Gregg, "Error analysis and improving the
// accuracy of Winograd convolution for deep neural networks", 2020) at 0, 1, −1 and infinity.
const WinogradMatrices kTwo = {
    {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}},
    {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}},
    {{1, 1, 1, 0}, {0, 1, -1, -1}},
};

// At 0, p, −p, q, −q and infinity. With p q = 1 the powers stay close to 1, so that sums lose half
// as much as at 1 and 2.
WinogradMatrices four() {
  const double p = 2.0 / 3, p2 = p * p, p3 = p2 * p;
  const double q = 3.0 / 2, q2 = q * q, q3 = q2 * q;
  // The inverse product of a point's distances to the others, times its powers.
  const double a = 1 / (2 * p2 * (p2 - q2)), a1 = a * p, a2 = a * p2;
  const double b = 1 / (2 * q2 * (q2 - p2)), b1 = b * q, b2 = b * q2;
  return {
      {{1, 0, -(p2 + q2), 0, 1, 0},
       {0, -q, -q2, p, 1, 0},
       {0, q, -q2, -p, 1, 0},
       {0, -p, -p2, q, 1, 0},
       {0, p, -p2, -q, 1, 0},
       {0, 1, 0, -(p2 + q2), 0, 1}},
      {{1, 0, 0}, {a, a1, a2}, {a, -a1, a2}, {b, b1, b2}, {b, -b1, b2}, {0, 0, 1}},
      {{1, 1, 1, 1, 1, 0}, {0, p, -p, q, -q, 0}, {0, p2, p2, q2, q2, 0}, {0, p3, -p3, q3, -q3, 1}}};
}
const WinogradMatrices kFour = four();

// ---- shape rule ----

void check_operands(const InferContext& c, int64_t tile) {
  const TensorType &x = c.operand(0), &u = c.operand(1);
  if (tile != 2 && tile != 4)
    throw c.error(fmt::format("tile is {}, but there are F(2x2) and F(4x4)", tile))
        .help("set tile=2 or tile=4");
  const bool computes = x.dtype == DType::f32 || x.dtype == DType::f64;  // halves lose too much
  if (x.rank() != 4 || u.rank() != 4 || x.dtype != u.dtype || !computes) {
    throw c
        .error(fmt::format("operand {} and weights {} are not images and weights of f32 or f64",
                           to_string(x), to_string(u)))
        .help("both have two axes for channels and two spatial axes");
  }
  const int64_t patch = tile + 2;
  if (u.shape[1] != x.shape[1] || u.shape[2] != patch || u.shape[3] != patch) {
    throw c
        .error(fmt::format("transformed weights {} do not fit operand {} with tile {}",
                           to_string(u), to_string(x), tile))
        .help(fmt::format("make them {}",
                          to_string(u.with_shape({u.shape[0], x.shape[1], patch, patch}))));
  }
}

std::vector<TensorType> infer(const InferContext& c) {
  check_operands(c, c.attributes.integer("tile"));
  const Integers& padding = c.attributes.integers("padding");
  if (!padding.empty() && padding.size() != 4) {
    throw c
        .error(fmt::format("padding {} has {} entries, but two spatial axes want 4",
                           to_string(padding), padding.size()))
        .help("give low and high of both axes: [low0,high0,low1,high1]");
  }
  const WinogradSpec spec = WinogradSpec::of(c.attributes);
  Shape shape{c.operand(0).shape[0], c.operand(1).shape[0], 0, 0};
  for (int axis : {0, 1}) {
    const int64_t in = c.operand(0).shape[axis + 2];
    shape[axis + 2] = in + spec.low[axis] + spec.high[axis] - 2;
    if (spec.low[axis] < 0 || spec.high[axis] < 0 || shape[axis + 2] < 1) {
      throw c
          .error(fmt::format("padding {} and {} around extent {} leaves no room for a window",
                             spec.low[axis], spec.high[axis], in))
          .help("pad so that at least 3 elements remain; paddings are not negative");
    }
  }
  return {c.operand(0).with_shape(shape)};
}

// ---- reference semantics ----

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix result(a.size(), std::vector<double>(b[0].size(), 0));
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t k = 0; k < b.size(); ++k) {
      for (size_t j = 0; j < b[0].size(); ++j) result[i][j] += a[i][k] * b[k][j];
    }
  }
  return result;
}

Matrix transposed(const Matrix& a) {
  Matrix result(a[0].size(), std::vector<double>(a.size()));
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < a[0].size(); ++j) result[j][i] = a[i][j];
  }
  return result;
}

struct Reference {
  const EvalContext& c;
  WinogradSpec spec = WinogradSpec::of(c.attributes);
  const WinogradMatrices& matrices = WinogradMatrices::of_tile(spec.tile);

  // Bᵀ d B of the patch of tile (ty, tx); zero outside of the image.
  Matrix patch(int64_t n, int64_t i, int64_t ty, int64_t tx) const {
    const Shape& shape = c.operand(0).shape;
    const int64_t size = spec.patch();
    Matrix d(size, std::vector<double>(size, 0));
    for (int64_t r = 0; r < size; ++r) {
      for (int64_t s = 0; s < size; ++s) {
        const int64_t y = ty * spec.tile + r - spec.low[0], x = tx * spec.tile + s - spec.low[1];
        if (y < 0 || x < 0 || y >= shape[2] || x >= shape[3]) continue;
        d[r][s] = c.operand(0).floats[((n * shape[1] + i) * shape[2] + y) * shape[3] + x];
      }
    }
    return product(product(matrices.input, d), transposed(matrices.input));
  }

  void add_product(Matrix& sum, const Matrix& v, int64_t o, int64_t i) const {
    const int64_t size = spec.patch(), channels = c.operand(1).shape[1];
    const double* u = &c.operand(1).floats[(o * channels + i) * size * size];
    for (int64_t r = 0; r < size; ++r) {
      for (int64_t s = 0; s < size; ++s) sum[r][s] += u[r * size + s] * v[r][s];
    }
  }

  void store(const Matrix& sum, int64_t n, int64_t o, int64_t ty, int64_t tx) const {
    const Matrix y = product(product(matrices.output, sum), transposed(matrices.output));
    const Shape& shape = c.result().shape;
    for (int64_t r = 0; r < spec.tile && ty * spec.tile + r < shape[2]; ++r) {
      for (int64_t s = 0; s < spec.tile && tx * spec.tile + s < shape[3]; ++s) {
        const int64_t row = (n * shape[1] + o) * shape[2] + ty * spec.tile + r;
        c.result().floats[row * shape[3] + tx * spec.tile + s] = y[r][s];
      }
    }
  }
};

void eval(const EvalContext& c) {
  const Reference reference{c};
  const Shape& shape = c.result().shape;
  const int64_t inputs = c.operand(1).shape[1], size = reference.spec.patch();
  const Shape tiles{shape[0], reference.spec.tiles(shape[2]), reference.spec.tiles(shape[3])};
  for_each_index(tiles, [&](const Integers& at) {
    std::vector<Matrix> sums(shape[1], Matrix(size, std::vector<double>(size, 0)));
    for (int64_t i = 0; i < inputs; ++i) {
      const Matrix v = reference.patch(at[0], i, at[1], at[2]);
      for (int64_t o = 0; o < shape[1]; ++o) reference.add_product(sums[o], v, o, i);
    }
    for (int64_t o = 0; o < shape[1]; ++o) reference.store(sums[o], at[0], o, at[1], at[2]);
  });
}

// Of the convolution it stands for: so that GFLOP/s compare.
int64_t flops(const Node& node, std::span<const TensorType> operands) {
  return 2 * 9 * node.types[0].count() * operands[1].shape[1];
}

}  // namespace

const WinogradMatrices& WinogradMatrices::of_tile(int64_t m) { return m == 2 ? kTwo : kFour; }

WinogradSpec WinogradSpec::of(const Attributes& attributes) {
  WinogradSpec spec;
  spec.tile = attributes.integer("tile");
  const Integers& padding = attributes.integers("padding");
  for (size_t axis = 0; axis < 2 && padding.size() == 4; ++axis) {
    spec.low[axis] = padding[2 * axis];
    spec.high[axis] = padding[2 * axis + 1];
  }
  return spec;
}

namespace ops {

constinit const OpDef winograd_conv{.name = "winograd_conv",
                                    .arity = {2, 2},
                                    .attributes = kAttributes,
                                    .infer = infer,
                                    .eval = eval,
                                    .differentiable = false,
                                    .flops = flops,
                                    .preserves_zero = [](const Attributes&) { return true; }};

}  // namespace ops

Tensor winograd_weights(Operand w, int64_t tile) {
  const Matrix& g = WinogradMatrices::of_tile(tile).weights;
  const Shape shape = w.tensor.shape();
  const int64_t size = tile + 2;
  ReferenceTensor kronecker(w.tensor.type().dtype, {9, size * size});
  for (int64_t k = 0; k < 9; ++k) {
    for (int64_t p = 0; p < size * size; ++p)
      kronecker.floats[k * size * size + p] = g[p / size][k / 3] * g[p % size][k % 3];
  }
  const Tensor taps = reshape(w, {shape[0] * shape[1], 9});
  const Tensor transform = constant(taps.graph(), kronecker.to_array());
  return reshape(matmul(taps, transform), {shape[0], shape[1], size, size});
}

Tensor winograd_conv(Operand x, Operand u, int64_t tile, Integers padding) {
  return apply(ops::winograd_conv, {x.tensor, u.tensor},
               {{"tile", tile}, {"padding", std::move(padding)}}, x.where);
}

}  // namespace ag
