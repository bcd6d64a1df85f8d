#include "ir/ops/winograd.h"

#include <fmt/format.h>

#include "ir/infer.h"

namespace ag {
namespace {

using Matrix = WinogradMatrices::Matrix;

constexpr AttributeSpec kAttributes[] = {
    optional_integer("tile", 2), optional_integers("padding", 0), optional_integers("dilation", 1)};

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
  if (x.rank() < 4 || u.rank() != x.rank() || x.dtype != u.dtype || !computes) {
    throw c
        .error(fmt::format("operand {} and weights {} are not images and weights of f32 or f64",
                           to_string(x), to_string(u)))
        .help("both have two axes for channels and as many spatial axes, two or more");
  }
  Shape wanted = u.shape;
  wanted[1] = x.shape[1];
  wanted[x.rank() - 2] = wanted[x.rank() - 1] = tile + 2;
  if (u.shape != wanted) {
    throw c
        .error(fmt::format("transformed weights {} do not fit operand {} with tile {}",
                           to_string(u), to_string(x), tile))
        .help(fmt::format("make them {}", to_string(u.with_shape(wanted))));
  }
}

void check_lists(const InferContext& c, size_t axes) {
  const Integers &padding = c.attributes.integers("padding"),
                 &dilation = c.attributes.integers("dilation");
  if (!padding.empty() && padding.size() != 2 * axes) {
    throw c
        .error(fmt::format("padding {} has {} entries, but {} spatial axes want {}",
                           to_string(padding), padding.size(), axes, 2 * axes))
        .help("give low and high of every spatial axis: [low0,high0,low1,high1]");
  }
  if (!dilation.empty() && dilation.size() != axes) {
    throw c
        .error(fmt::format("dilation {} has {} entries, but {} spatial axes want {}",
                           to_string(dilation), dilation.size(), axes, axes))
        .help("give one entry per spatial axis");
  }
  for (int64_t entry : dilation) {
    if (entry < 1) c.fail("dilation {} must be at least 1", entry);
  }
}

// Elements that the window covers along a spatial axis.
int64_t window_of(const InferContext& c, const WinogradSpec& spec, int axis) {
  const bool tiled = axis >= spec.spatial_rank() - 2;
  const int64_t taps = tiled ? 3 : c.operand(1).shape[axis + 2];
  if (taps == 0) c.fail("weights {} have no taps along axis {}", to_string(c.operand(1)), axis + 2);
  return (taps - 1) * spec.dilation[axis] + 1;
}

std::vector<TensorType> infer(const InferContext& c) {
  check_operands(c, c.attributes.integer("tile"));
  const int spatial = c.operand(0).rank() - 2;
  check_lists(c, static_cast<size_t>(spatial));
  const WinogradSpec spec = WinogradSpec::of(c.attributes, spatial);
  Shape shape = c.operand(0).shape;
  shape[1] = c.operand(1).shape[0];
  for (int axis = 0; axis < spatial; ++axis) {
    const int64_t in = shape[axis + 2], window = window_of(c, spec, axis);
    shape[axis + 2] = in + spec.low[axis] + spec.high[axis] - window + 1;
    if (spec.low[axis] < 0 || spec.high[axis] < 0 || shape[axis + 2] < 1) {
      throw c
          .error(fmt::format("padding {} and {} around extent {} leaves no room for a window",
                             spec.low[axis], spec.high[axis], in))
          .help(fmt::format("pad so that at least {} elements remain; paddings are not negative",
                            window));
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

// Offset of an element at a place along each axis.
int64_t offset_of(const Shape& shape, const Integers& at) {
  int64_t offset = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis) offset = offset * shape[axis] + at[axis];
  return offset;
}

// A tile is at [batch, positions along the axes in front…, ty, tx].
struct Reference {
  const EvalContext& c;
  int rank = static_cast<int>(c.result().shape.size());
  WinogradSpec spec = WinogradSpec::of(c.attributes, rank - 2);
  const WinogradMatrices& matrices = WinogradMatrices::of_tile(spec.tile);

  // Where row or column `k` of a tile is, from the tile's first.
  int64_t place(int axis, int64_t t, int64_t k) const {
    const int64_t dilation = spec.dilation[axis];
    return t / dilation * spec.span(axis) + t % dilation + k * dilation;
  }

  // Bᵀ d B of the patch of channel i that tap `tap` of the axes in front reads for a tile; zero
  // outside of the image.
  Matrix patch(const Integers& tile, int64_t i, const Integers& tap) const {
    const Shape& shape = c.operand(0).shape;
    const int64_t size = spec.patch();
    Matrix d(size, std::vector<double>(size, 0));
    Integers at{tile[0], i};
    for (int axis = 0; axis < rank - 4; ++axis) {
      at.push_back(tile[axis + 1] + tap[axis] * spec.dilation[axis] - spec.low[axis]);
      if (at.back() < 0 || at.back() >= shape[axis + 2]) return d;
    }
    const int y_axis = rank - 4, x_axis = rank - 3;
    at.resize(rank);
    for (int64_t r = 0; r < size; ++r) {
      for (int64_t s = 0; s < size; ++s) {
        const int64_t y = place(y_axis, tile[rank - 3], r) - spec.low[y_axis];
        const int64_t x = place(x_axis, tile[rank - 2], s) - spec.low[x_axis];
        if (y < 0 || x < 0 || y >= shape[rank - 2] || x >= shape[rank - 1]) continue;
        at[rank - 2] = y;
        at[rank - 1] = x;
        d[r][s] = c.operand(0).floats[offset_of(shape, at)];
      }
    }
    return WinogradMatrices::both_sides(matrices.input, d);
  }

  // `weights` is the first element of one transformed tap.
  void add_product(Matrix& sum, const Matrix& v, int64_t weights) const {
    const int64_t size = spec.patch();
    const double* u = &c.operand(1).floats[weights];
    for (int64_t r = 0; r < size; ++r) {
      for (int64_t s = 0; s < size; ++s) sum[r][s] += u[r * size + s] * v[r][s];
    }
  }

  void store(const Matrix& sum, const Integers& tile, int64_t o) const {
    const Matrix y = WinogradMatrices::both_sides(matrices.output, sum);
    const Shape& shape = c.result().shape;
    Integers at{tile[0], o};
    at.insert(at.end(), tile.begin() + 1, tile.begin() + rank - 3);
    at.resize(rank);
    for (int64_t r = 0; r < spec.tile; ++r) {
      for (int64_t s = 0; s < spec.tile; ++s) {
        at[rank - 2] = place(rank - 4, tile[rank - 3], r);
        at[rank - 1] = place(rank - 3, tile[rank - 2], s);
        if (at[rank - 2] >= shape[rank - 2] || at[rank - 1] >= shape[rank - 1]) continue;
        c.result().floats[offset_of(shape, at)] = y[r][s];
      }
    }
  }
};

void eval(const EvalContext& c) {
  const Reference reference{c};
  const Shape &shape = c.result().shape, &weights = c.operand(1).shape;
  const int rank = reference.rank;
  const int64_t size = reference.spec.patch();
  Shape tiles{shape[0]};
  tiles.insert(tiles.end(), shape.begin() + 2, shape.end());
  for (int axis : {rank - 4, rank - 3})
    tiles[axis + 1] = reference.spec.tiles(axis, shape[axis + 2]);
  const Shape taps(weights.begin() + 2, weights.end() - 2);
  for_each_index(tiles, [&](const Integers& at) {
    std::vector<Matrix> sums(shape[1], Matrix(size, std::vector<double>(size, 0)));
    for (int64_t i = 0; i < weights[1]; ++i) {
      for_each_index(taps, [&](const Integers& tap) {
        const Matrix v = reference.patch(at, i, tap);
        for (int64_t o = 0; o < shape[1]; ++o) {
          const int64_t of = (o * weights[1] + i) * element_count(taps) + offset_of(taps, tap);
          reference.add_product(sums[o], v, of * size * size);
        }
      });
    }
    for (int64_t o = 0; o < shape[1]; ++o) reference.store(sums[o], at, o);
  });
}

// Of the convolution it stands for: so that GFLOP/s compare.
int64_t flops(const Node& node, std::span<const TensorType> operands) {
  const Shape& u = operands[1].shape;
  return 2 * 9 * node.types[0].count() * element_count(Shape(u.begin() + 1, u.end() - 2));
}

}  // namespace

const WinogradMatrices& WinogradMatrices::of_tile(int64_t m) { return m == 2 ? kTwo : kFour; }

Matrix WinogradMatrices::transposed(const Matrix& matrix) {
  Matrix result(matrix[0].size(), std::vector<double>(matrix.size()));
  for (size_t i = 0; i < matrix.size(); ++i) {
    for (size_t j = 0; j < matrix[0].size(); ++j) result[j][i] = matrix[i][j];
  }
  return result;
}

Matrix WinogradMatrices::both_sides(const Matrix& matrix, const Matrix& x) {
  return product(product(matrix, x), transposed(matrix));
}

WinogradSpec WinogradSpec::of(const Attributes& attributes, int spatial_rank) {
  const auto axes = static_cast<size_t>(spatial_rank);
  const Integers padding = attributes.integers("padding", 2 * axes, 0);
  const bool dilated = attributes.find("dilation");
  WinogradSpec spec{attributes.integer("tile"),
                    {},
                    {},
                    dilated ? attributes.integers("dilation", axes, 1) : Integers(axes, 1)};
  for (size_t axis = 0; axis < axes; ++axis) {
    spec.low.push_back(padding[2 * axis]);
    spec.high.push_back(padding[2 * axis + 1]);
  }
  return spec;
}

int64_t WinogradSpec::reach(int axis, int64_t in, int64_t out) const {
  const int64_t last = tiles(axis, out) - 1, d = dilation[axis];
  const int64_t end = last / d * span(axis) + last % d + (tile + 1) * d + 1;
  return std::max<int64_t>(end - low[axis] - in, 0);
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

Tensor winograd_conv(Operand x, Operand u, int64_t tile, Integers padding, Integers dilation) {
  return apply(ops::winograd_conv, {x.tensor, u.tensor},
               {{"tile", tile}, {"padding", std::move(padding)}, {"dilation", std::move(dilation)}},
               x.where);
}

}  // namespace ag
