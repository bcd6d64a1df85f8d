#include "ir/ops/reduce.h"

#include <algorithm>
#include <limits>

#include "ir/gradient.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

using Index = std::vector<int64_t>;

constexpr AttributeSpec kReduceAttributes[] = {required("axes", AttributeKind::integers)};
constexpr AttributeSpec kArgAttributes[] = {required("axis", AttributeKind::integer)};

// The axes that stay, in order.
Integers kept_axes(const Integers& reduced, int rank) {
  Integers kept;
  for (int axis = 0; axis < rank; ++axis) {
    if (std::find(reduced.begin(), reduced.end(), axis) == reduced.end()) kept.push_back(axis);
  }
  return kept;
}

std::vector<TensorType> infer_reduce(const InferContext& c) {
  const TensorType& from = c.operand(0);
  if (from.dtype == DType::boolean)
    throw c.error("operand is bool").help("cast it to an integer first");
  const Integers& axes = c.attributes.integers("axes");
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] < 0 || axes[i] >= from.rank() || (i > 0 && axes[i] <= axes[i - 1])) {
      c.fail("axes {} must grow and lie inside {}", to_string(axes), to_string(from));
    }
  }
  Shape shape;
  for (int64_t axis : kept_axes(axes, from.rank())) shape.push_back(from.shape[axis]);
  return {from.with_shape(shape)};
}

std::vector<TensorType> infer_arg(const InferContext& c) {
  const TensorType& from = c.operand(0);
  int64_t axis = c.attributes.integer("axis");
  if (axis < 0 || axis >= from.rank()) c.fail("axis {} is outside {}", axis, to_string(from));
  if (from.shape[axis] == 0) c.fail("axis {} of {} is empty", axis, to_string(from));
  Shape shape = from.shape;
  shape.erase(shape.begin() + axis);
  return {tensor_type(DType::i32, shape)};
}

// Folds each operand element into its result element with combine(result, i, operand, j).
template <class Combine>
void fold(const EvalContext& c, Combine&& combine) {
  const ReferenceTensor& x = c.operand(0);
  Integers kept = kept_axes(c.attributes.integers("axes"), static_cast<int>(x.shape.size()));
  Shape strides = row_major_strides(c.result().shape);
  int64_t j = 0;
  for_each_index(x.shape, [&](const Index& index) {
    int64_t i = 0;
    for (size_t k = 0; k < kept.size(); ++k) i += index[kept[k]] * strides[k];
    combine(c.result(), i, x, j++);
  });
}

void eval_sum(const EvalContext& c) {
  fold(c, [](ReferenceTensor& y, int64_t i, const ReferenceTensor& x, int64_t j) {
    if (x.is_floating())
      y.floats[i] += x.floats[j];
    else
      y.integers[i] += x.integers[j];
  });
}

// Whether a beats b as the larger (or smaller) one.
bool beats(const ReferenceTensor& a, int64_t i, const ReferenceTensor& b, int64_t j, bool larger) {
  if (a.is_floating()) return larger ? a.floats[i] > b.floats[j] : a.floats[i] < b.floats[j];
  if (is_unsigned_integer(a.dtype)) {
    auto x = static_cast<uint64_t>(a.integers[i]), y = static_cast<uint64_t>(b.integers[j]);
    return larger ? x > y : x < y;
  }
  return larger ? a.integers[i] > b.integers[j] : a.integers[i] < b.integers[j];
}

// The extremum of an empty axis is the dtype's lowest (highest) finite value.
template <bool larger>
void eval_extremum(const EvalContext& c) {
  ReferenceTensor& y = c.result();
  std::vector<bool> seen(y.count(), false);
  fold(c, [&](ReferenceTensor& y, int64_t i, const ReferenceTensor& x, int64_t j) {
    if (!seen[i] || beats(x, j, y, i, larger)) y.copy(i, x, j);
    seen[i] = true;
  });
}

template <bool larger>
void eval_arg(const EvalContext& c) {
  const ReferenceTensor& x = c.operand(0);
  int64_t axis = c.attributes.integer("axis"), i = 0;
  Shape strides = row_major_strides(x.shape);
  for_each_index(c.result().shape, [&](const Index& index) {
    Index source(index);
    source.insert(source.begin() + axis, 0);
    int64_t start = linear_index(source, strides), best = 0;
    for (int64_t k = 1; k < x.shape[axis]; ++k) {
      if (beats(x, start + k * strides[axis], x, start + best * strides[axis], larger)) best = k;
    }
    c.result().integers[i++] = best;
  });
}

Tensor spread_back(GradContext& g, Tensor reduced) {
  return broadcast(reduced, g.x().shape(),
                   kept_axes(g.attributes().integers("axes"), g.x().rank()));
}

// All elements equal to the extremum share the gradient.
void grad_extremum(GradContext& g) {
  Tensor hit = cast(equal(g.x(), spread_back(g, g.y())), g.x().dtype());
  const Integers& axes = g.attributes().integers("axes");
  Tensor share = g.dy() / reduce_sum(hit, std::vector<int>(axes.begin(), axes.end()));
  g.dx(0, hit * spread_back(g, share));
}

int64_t flops_of_operand(const Node&, std::span<const TensorType> operands) {
  return operands[0].count();
}

constexpr OpDef reduction(std::string_view name, EvalFunction eval, GradFunction grad) {
  return {.name = name,
          .arity = {1, 1},
          .attributes = kReduceAttributes,
          .infer = infer_reduce,
          .eval = eval,
          .grad = grad,
          .flops = flops_of_operand};
}

constexpr OpDef arg_reduction(std::string_view name, EvalFunction eval) {
  return {.name = name,
          .arity = {1, 1},
          .attributes = kArgAttributes,
          .infer = infer_arg,
          .eval = eval,
          .differentiable = false,
          .flops = flops_of_operand};
}

Tensor reduce(const OpDef& op, const Operand& x, const std::vector<int>& axes) {
  Integers sorted;
  for (int axis : axes) sorted.push_back(axis < 0 ? axis + x.tensor.rank() : axis);
  std::sort(sorted.begin(), sorted.end());
  if (sorted.empty()) return x.tensor;
  return apply(op, {x.tensor}, {{"axes", std::move(sorted)}}, x.where);
}

Tensor arg(const OpDef& op, const Operand& x, int axis) {
  int64_t positive = axis < 0 ? axis + x.tensor.rank() : axis;
  return apply(op, {x.tensor}, {{"axis", positive}}, x.where);
}

}  // namespace

namespace ops {

constinit const OpDef reduce_sum =
    reduction("reduce_sum", eval_sum, [](GradContext& g) { g.dx(0, spread_back(g, g.dy())); });
constinit const OpDef reduce_max = reduction("reduce_max", eval_extremum<true>, grad_extremum);
constinit const OpDef reduce_min = reduction("reduce_min", eval_extremum<false>, grad_extremum);
constinit const OpDef argmax = arg_reduction("argmax", eval_arg<true>);
constinit const OpDef argmin = arg_reduction("argmin", eval_arg<false>);

}  // namespace ops

Tensor reduce_sum(Operand x, std::vector<int> axes) { return reduce(ops::reduce_sum, x, axes); }
Tensor reduce_max(Operand x, std::vector<int> axes) { return reduce(ops::reduce_max, x, axes); }
Tensor reduce_min(Operand x, std::vector<int> axes) { return reduce(ops::reduce_min, x, axes); }
Tensor argmax(Operand x, int axis) { return arg(ops::argmax, x, axis); }
Tensor argmin(Operand x, int axis) { return arg(ops::argmin, x, axis); }

Tensor reduce_mean(Operand x, std::vector<int> axes) {
  int64_t count = 1;
  for (int axis : axes) count *= x.tensor.extent(axis);
  return multiply({reduce_sum(x, axes), x.where}, 1.0 / static_cast<double>(count));
}

}  // namespace ag
