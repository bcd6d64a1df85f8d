#include "ir/ops/contract.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/gradient.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

constexpr AttributeSpec kMatmulAttributes[] = {flag("transpose_a"), flag("transpose_b")};

// Rows and columns of an operand after its transposition.
struct MatrixExtents {
  int64_t rows, columns;
  MatrixExtents(const Shape& shape, bool transposed)
      : rows(shape[shape.size() - (transposed ? 1 : 2)]),
        columns(shape[shape.size() - (transposed ? 2 : 1)]) {}
};

Shape batch_of(const Shape& shape) { return {shape.begin(), shape.end() - 2}; }

std::vector<TensorType> infer_matmul(const InferContext& c) {
  const TensorType &a = c.operand(0), &b = c.operand(1);
  if (a.rank() < 2 || b.rank() < 2 || a.dtype == DType::boolean) {
    throw c.error(fmt::format("operands are {} and {}", to_string(a), to_string(b)))
        .help("give matrices of numbers: at least two axes each (reshape vectors)");
  }
  if (a.dtype != b.dtype) {
    throw c.error(fmt::format("operands are {} and {}", name_of(a.dtype), name_of(b.dtype)))
        .help("cast one of them");
  }
  if (batch_of(a.shape) != batch_of(b.shape)) {
    throw c
        .error(fmt::format("batch axes are {} and {}", to_string(batch_of(a.shape)),
                           to_string(batch_of(b.shape))))
        .help("broadcast one of them");
  }
  MatrixExtents left(a.shape, c.attributes.flag("transpose_a"));
  MatrixExtents right(b.shape, c.attributes.flag("transpose_b"));
  if (left.columns != right.rows) {
    throw c
        .error(fmt::format("{} has {} columns, but {} has {} rows", to_string(a), left.columns,
                           to_string(b), right.rows))
        .help("transpose_a and transpose_b swap the last two axes of an operand");
  }
  Shape shape = batch_of(a.shape);
  shape.push_back(left.rows);
  shape.push_back(right.columns);
  return {a.with_shape(shape)};
}

// A row-major matrix of that many rows and columns, with its columns as rows.
template <class Number>
std::vector<Number> transposed(const Number* matrix, int64_t rows, int64_t columns) {
  std::vector<Number> result(static_cast<size_t>(rows * columns));
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      result[column * rows + row] = matrix[row * columns + column];
  return result;
}

template <class Number>
void multiply_matrices(const EvalContext& c, const std::vector<Number>& a,
                       const std::vector<Number>& b, std::vector<Number>& y) {
  bool transpose_a = c.attributes.flag("transpose_a"),
       transpose_b = c.attributes.flag("transpose_b");
  MatrixExtents left(c.operand(0).shape, transpose_a), right(c.operand(1).shape, transpose_b);
  int64_t m = left.rows, k = left.columns, n = right.columns;
  int64_t batches = element_count(batch_of(c.operand(0).shape));
  std::vector<Number> rows;  // of b, where its columns lie in memory
  for (int64_t batch = 0; batch < batches; ++batch) {
    const Number *x = a.data() + batch * m * k, *w = b.data() + batch * k * n;
    if (transpose_b) {
      rows = transposed(w, n, k);
      w = rows.data();
    }
    for (int64_t row = 0; row < m; ++row) {
      Number* out = y.data() + (batch * m + row) * n;
      for (int64_t inner = 0; inner < k; ++inner) {
        const Number left_value = x[transpose_a ? inner * m + row : row * k + inner];
        for (int64_t column = 0; column < n; ++column)
          out[column] += left_value * w[inner * n + column];
      }
    }
  }
}

void eval_matmul(const EvalContext& c) {
  if (c.result().is_floating())
    multiply_matrices(c, c.operand(0).floats, c.operand(1).floats, c.result().floats);
  else
    multiply_matrices(c, c.operand(0).integers, c.operand(1).integers, c.result().integers);
}

void grad_matmul(GradContext& g) {
  bool ta = g.attributes().flag("transpose_a"), tb = g.attributes().flag("transpose_b");
  Tensor a = g.x(0), b = g.x(1), dy = g.dy();
  if (g.wants(0)) g.dx(0, ta ? matmul(b, dy, {tb, true}) : matmul(dy, b, {false, !tb}));
  if (g.wants(1)) g.dx(1, tb ? matmul(dy, a, {true, ta}) : matmul(a, dy, {!ta, false}));
}

int64_t matmul_flops(const Node& node, std::span<const TensorType> operands) {
  MatrixExtents left(operands[0].shape, node.attributes.flag("transpose_a"));
  return 2 * node.types[0].count() * left.columns;
}

// x with its batch axes broadcast to `batch`.
Tensor with_batch(const Operand& x, const Shape& batch) {
  Shape shape = batch;
  shape.insert(shape.end(), x.tensor.shape().end() - 2, x.tensor.shape().end());
  return broadcast_to(x, shape);
}

// NumPy's broadcast of the batch axes; where they do not fit, a's own (the shape rule explains).
Shape common_batch(const Shape& a, const Shape& b) {
  Shape batch = batch_of(a), other = batch_of(b);
  if (batch.size() < other.size()) std::swap(batch, other);
  size_t offset = batch.size() - other.size();
  for (size_t i = 0; i < other.size(); ++i) {
    int64_t& extent = batch[offset + i];
    if (extent != other[i] && extent != 1 && other[i] != 1) return {};
    if (extent == 1) extent = other[i];
  }
  return batch;
}

}  // namespace

namespace ops {

constinit const OpDef matmul{.name = "matmul",
                             .arity = {2, 2},
                             .attributes = kMatmulAttributes,
                             .infer = infer_matmul,
                             .eval = eval_matmul,
                             .grad = grad_matmul,
                             .flops = matmul_flops,
                             .preserves_zero = [](const Attributes&) { return true; }};

}  // namespace ops

Tensor matmul(Operand a, Operand b, MatmulOptions options) {
  Tensor left = a.tensor, right = b.tensor;
  if (left.rank() >= 2 && right.rank() >= 2) {
    Shape batch = common_batch(left.shape(), right.shape());
    if (!batch.empty()) {
      left = with_batch(a, batch);
      right = with_batch(b, batch);
    }
  }
  return apply(ops::matmul, {left, right},
               {{"transpose_a", options.transpose_a}, {"transpose_b", options.transpose_b}},
               a.where);
}

}  // namespace ag
