#include "ir/ops/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ir/gradient.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

constexpr AttributeSpec kAxis[] = {required("axis", AttributeKind::integer)};
constexpr AttributeSpec kAxisAndType[] = {required("axis", AttributeKind::integer),
                                          required("type", AttributeKind::type)};
constexpr AttributeSpec kType[] = {required("type", AttributeKind::type)};

// ---- shape rules ----

void check_indices(const InferContext& c) {
  const DType dtype = c.operand(1).dtype;
  // Kernels index with signed 32-bit numbers, and Halide bounds no wider unsigned ones.
  const bool is_wide = dtype == DType::u32 || dtype == DType::u64;
  if (is_integer(dtype) && !is_wide) return;
  throw c
      .error(fmt::format("indices are {}, not {}", to_string(c.operand(1)),
                         is_wide ? "signed or narrow integers" : "integers"))
      .help("cast them to i32");
}

void check_numbers(const InferContext& c) {
  if (c.operand(0).dtype == DType::boolean)
    throw c.error("operand is bool").help("cast it to a number first");
}

void check_nonempty(const InferContext& c, const TensorType& from, int64_t axis) {
  if (from.shape[axis] == 0 && c.operand(1).count() != 0) {
    throw c.error(fmt::format("{} has nothing to index along axis {}", to_string(from), axis))
        .help("give it at least one entry, or no indices");
  }
}

// `dense` is what the indices point into.
void check_along(const InferContext& c, const TensorType& dense) {
  const TensorType& indices = c.operand(1);
  check_indices(c);
  int64_t axis = c.attributes.integer("axis");
  if (axis < 0 || axis >= dense.rank()) c.fail("axis {} is outside {}", axis, to_string(dense));
  Shape wanted = dense.shape;
  if (indices.rank() == dense.rank()) wanted[axis] = indices.shape[axis];
  if (indices.shape != wanted) {
    throw c
        .error(fmt::format("indices {} and {} differ beside axis {}", to_string(indices),
                           to_string(dense), axis))
        .help("broadcast the indices, or use gather_rows");
  }
  check_nonempty(c, dense, axis);
}

std::vector<TensorType> infer_take_along(const InferContext& c) {
  check_along(c, c.operand(0));
  return {c.operand(0).with_shape(c.operand(1).shape)};
}

std::vector<TensorType> infer_scatter_along(const InferContext& c) {
  const TensorType& to = c.attributes.type("type");
  check_numbers(c);
  check_along(c, to);
  if (c.operand(0).shape != c.operand(1).shape || c.operand(0).dtype != to.dtype) {
    c.fail("updates are {}, indices {}, the result {}", to_string(c.operand(0)),
           to_string(c.operand(1)), to_string(to));
  }
  return {to};
}

// The type of rows of `table` at the indices.
TensorType rows_type(const InferContext& c, const TensorType& table) {
  check_indices(c);
  if (table.rank() < 1) {
    throw c.error(fmt::format("table {} has no rows", to_string(table)))
        .help("it wants at least one axis");
  }
  check_nonempty(c, table, 0);
  Shape shape = c.operand(1).shape;
  shape.insert(shape.end(), table.shape.begin() + 1, table.shape.end());
  return table.with_shape(shape);
}

std::vector<TensorType> infer_gather_rows(const InferContext& c) {
  return {rows_type(c, c.operand(0))};
}

std::vector<TensorType> infer_scatter_rows(const InferContext& c) {
  const TensorType& to = c.attributes.type("type");
  check_numbers(c);
  TensorType wanted = rows_type(c, to);
  if (c.operand(0).with_layout({}) != wanted) {
    c.fail("updates are {}, but rows of {} at indices {} are {}", to_string(c.operand(0)),
           to_string(to), to_string(c.operand(1)), to_string(wanted));
  }
  return {to};
}

// ---- reference semantics ----

int64_t clamped(const ReferenceTensor& indices, int64_t i, int64_t extent) {
  return std::clamp<int64_t>(indices.integers[i], 0, extent - 1);
}

void add_to(ReferenceTensor& y, int64_t i, const ReferenceTensor& x, int64_t j) {
  if (y.is_floating())
    y.floats[i] += x.floats[j];
  else
    y.integers[i] += x.integers[j];
}

// body(i, element): i of the indices' shape, element of the dense shape it points at.
template <class Body>
void each_along(const EvalContext& c, const Shape& dense, Body&& body) {
  const ReferenceTensor& indices = c.operand(1);
  int64_t axis = c.attributes.integer("axis"), i = 0;
  Shape strides = row_major_strides(dense);
  for_each_index(indices.shape, [&](const Integers& index) {
    Integers at(index);
    at[axis] = clamped(indices, i, dense[axis]);
    body(i++, linear_index(at, strides));
  });
}

// body(i, element): i of the rows' elements, element of the table.
template <class Body>
void each_row(const EvalContext& c, const Shape& table, Body&& body) {
  const ReferenceTensor& indices = c.operand(1);
  int64_t width = element_count({table.begin() + 1, table.end()});
  for (int64_t row = 0; row < indices.count(); ++row) {
    int64_t from = clamped(indices, row, table[0]) * width;
    for (int64_t i = 0; i < width; ++i) body(row * width + i, from + i);
  }
}

void eval_take_along(const EvalContext& c) {
  each_along(c, c.operand(0).shape,
             [&](int64_t i, int64_t at) { c.result().copy(i, c.operand(0), at); });
}

void eval_scatter_along(const EvalContext& c) {
  each_along(c, c.result().shape,
             [&](int64_t i, int64_t at) { add_to(c.result(), at, c.operand(0), i); });
}

void eval_gather_rows(const EvalContext& c) {
  each_row(c, c.operand(0).shape,
           [&](int64_t i, int64_t at) { c.result().copy(i, c.operand(0), at); });
}

void eval_scatter_rows(const EvalContext& c) {
  each_row(c, c.result().shape,
           [&](int64_t i, int64_t at) { add_to(c.result(), at, c.operand(0), i); });
}

int axis_of(const GradContext& g) { return static_cast<int>(g.attributes().integer("axis")); }

int64_t flops_of_updates(const Node&, std::span<const TensorType> operands) {
  return operands[0].count();
}

}  // namespace

namespace ops {

constinit const OpDef take_along{
    .name = "take_along",
    .arity = {2, 2},
    .attributes = kAxis,
    .infer = infer_take_along,
    .eval = eval_take_along,
    .grad = [](GradContext& g) {
      g.dx(0, ag::scatter_along_add(g.dy(), g.x(1), axis_of(g), g.x().type()));
    }};
constinit const OpDef scatter_along_add{
    .name = "scatter_along_add",
    .arity = {2, 2},
    .attributes = kAxisAndType,
    .infer = infer_scatter_along,
    .eval = eval_scatter_along,
    .grad = [](GradContext& g) { g.dx(0, ag::take_along(g.dy(), g.x(1), axis_of(g))); },
    .flops = flops_of_updates};
constinit const OpDef gather_rows{
    .name = "gather_rows",
    .arity = {2, 2},
    .infer = infer_gather_rows,
    .eval = eval_gather_rows,
    .grad = [](GradContext& g) { g.dx(0, ag::scatter_rows_add(g.dy(), g.x(1), g.x().type())); }};
constinit const OpDef scatter_rows_add{
    .name = "scatter_rows_add",
    .arity = {2, 2},
    .attributes = kType,
    .infer = infer_scatter_rows,
    .eval = eval_scatter_rows,
    .grad = [](GradContext& g) { g.dx(0, ag::gather_rows(g.dy(), g.x(1))); },
    .flops = flops_of_updates};

}  // namespace ops

Tensor take_along(Operand x, Operand indices, int axis) {
  int64_t positive = axis < 0 ? axis + x.tensor.rank() : axis;
  return apply(ops::take_along, {x.tensor, indices.tensor}, {{"axis", positive}}, x.where);
}

Tensor scatter_along_add(Operand updates, Operand indices, int axis, TensorType type) {
  int64_t positive = axis < 0 ? axis + type.rank() : axis;
  return apply(ops::scatter_along_add, {updates.tensor, indices.tensor},
               {{"axis", positive}, {"type", std::move(type)}}, updates.where);
}

Tensor gather_rows(Operand table, Operand indices) {
  return apply(ops::gather_rows, {table.tensor, indices.tensor}, {}, table.where);
}

Tensor scatter_rows_add(Operand updates, Operand indices, TensorType type) {
  return apply(ops::scatter_rows_add, {updates.tensor, indices.tensor}, {{"type", std::move(type)}},
               updates.where);
}

Tensor one_hot(Operand labels, int64_t classes, DType dtype) {
  Tensor x = labels.tensor;
  LocationGuard location(x.graph(), labels.where);
  Shape shape = x.shape();
  Integers axes(shape.size());
  std::iota(axes.begin(), axes.end(), 0);
  shape.push_back(classes);
  Tensor index = iota(x.graph(), tensor_type(x.dtype(), shape), x.rank());
  return cast(equal(index, broadcast(x, shape, axes)), dtype);
}

}  // namespace ag
