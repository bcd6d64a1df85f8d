#include "ir/ops/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ir/gradient.h"
#include "ir/ops/reduce.h"

namespace ag {
namespace {

using Index = std::vector<int64_t>;

constexpr AttributeSpec kBroadcastAttributes[] = {required("axes", AttributeKind::integers),
                                                  required("type", AttributeKind::type)};
constexpr AttributeSpec kReshapeAttributes[] = {required("type", AttributeKind::type)};
constexpr AttributeSpec kTransposeAttributes[] = {required("permutation", AttributeKind::integers)};
constexpr AttributeSpec kSliceAttributes[] = {required("start", AttributeKind::integers),
                                              required("limit", AttributeKind::integers),
                                              optional_integers("stride", 1)};
constexpr AttributeSpec kPadAttributes[] = {
    optional_integers("low", 0), optional_integers("high", 0), optional_integers("interior", 0),
    optional_number("value", 0)};
constexpr AttributeSpec kConcatAttributes[] = {required("axis", AttributeKind::integer)};
constexpr AttributeSpec kReverseAttributes[] = {required("axes", AttributeKind::integers)};

void check_length(const InferContext& c, std::string_view name, const Integers& list, int rank) {
  if (static_cast<int>(list.size()) != rank) {
    c.fail("{} {} has {} entries for an operand of rank {}", name, to_string(list), list.size(),
           rank);
  }
}

// ---- shape rules ----

std::vector<TensorType> infer_broadcast(const InferContext& c) {
  const TensorType &from = c.operand(0), &to = c.attributes.type("type");
  const Integers& axes = c.attributes.integers("axes");
  check_length(c, "axes", axes, from.rank());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] < 0 || axes[i] >= to.rank() || (i > 0 && axes[i] <= axes[i - 1])) {
      c.fail("axes {} must grow and lie inside {}", to_string(axes), to_string(to));
    }
    if (from.shape[i] != to.shape[axes[i]] && from.shape[i] != 1) {
      c.fail("extent {} of axis {} does not broadcast to {} in {}", from.shape[i], i,
             to.shape[axes[i]], to_string(to));
    }
  }
  if (to.dtype != from.dtype)
    c.fail("from {} to {} changes the dtype", to_string(from), to_string(to));
  return {to};
}

std::vector<TensorType> infer_reshape(const InferContext& c) {
  const TensorType &from = c.operand(0), &to = c.attributes.type("type");
  if (from.count() != to.count() || from.dtype != to.dtype) {
    throw c
        .error(fmt::format("{} has {} elements, {} has {}", to_string(from), from.count(),
                           to_string(to), to.count()))
        .help("one extent may be -1: what is left");
  }
  return {to};
}

std::vector<TensorType> infer_transpose(const InferContext& c) {
  const TensorType& from = c.operand(0);
  const Integers& permutation = c.attributes.integers("permutation");
  check_length(c, "permutation", permutation, from.rank());
  Integers sorted = permutation, identity(permutation.size());
  std::sort(sorted.begin(), sorted.end());
  std::iota(identity.begin(), identity.end(), 0);
  if (sorted != identity)
    c.fail("{} is no permutation of the axes of {}", to_string(permutation), to_string(from));
  Shape shape;
  for (int64_t axis : permutation) shape.push_back(from.shape[axis]);
  return {from.with_shape(shape)};
}

std::vector<TensorType> infer_slice(const InferContext& c) {
  const TensorType& from = c.operand(0);
  const Integers &start = c.attributes.integers("start"), &limit = c.attributes.integers("limit");
  Integers stride = c.attributes.integers("stride", from.shape.size(), 1);
  check_length(c, "start", start, from.rank());
  check_length(c, "limit", limit, from.rank());
  check_length(c, "stride", stride, from.rank());
  Shape shape;
  for (int axis = 0; axis < from.rank(); ++axis) {
    if (start[axis] < 0 || start[axis] > limit[axis] || limit[axis] > from.shape[axis] ||
        stride[axis] < 1) {
      throw c
          .error(fmt::format("{}:{}:{} does not lie inside extent {} of axis {}", start[axis],
                             limit[axis], stride[axis], from.shape[axis], axis))
          .help("a slice wants 0 <= start <= limit <= extent and stride >= 1");
    }
    shape.push_back((limit[axis] - start[axis] + stride[axis] - 1) / stride[axis]);
  }
  return {from.with_shape(shape)};
}

struct PadAmounts {
  Integers low, high, interior;
  PadAmounts(const Attributes& a, size_t rank)
      : low(a.integers("low", rank, 0)),
        high(a.integers("high", rank, 0)),
        interior(a.integers("interior", rank, 0)) {}
};

std::vector<TensorType> infer_pad(const InferContext& c) {
  const TensorType& from = c.operand(0);
  PadAmounts amounts(c.attributes, from.shape.size());
  check_length(c, "low", amounts.low, from.rank());
  check_length(c, "high", amounts.high, from.rank());
  check_length(c, "interior", amounts.interior, from.rank());
  Shape shape;
  for (int axis = 0; axis < from.rank(); ++axis) {
    if (amounts.interior[axis] < 0)
      c.fail("interior padding {} of axis {} is negative", amounts.interior[axis], axis);
    int64_t spread =
        from.shape[axis] == 0 ? 0 : (from.shape[axis] - 1) * (amounts.interior[axis] + 1) + 1;
    int64_t extent = spread + amounts.low[axis] + amounts.high[axis];
    if (extent < 0) {
      c.fail("cropping {} and {} from extent {} of axis {} leaves {}", amounts.low[axis],
             amounts.high[axis], spread, axis, extent);
    }
    shape.push_back(extent);
  }
  return {from.with_shape(shape)};
}

std::vector<TensorType> infer_concat(const InferContext& c) {
  int64_t axis = c.attributes.integer("axis");
  TensorType type = c.operand(0).with_layout({});
  if (axis < 0 || axis >= type.rank()) c.fail("axis {} is outside {}", axis, to_string(type));
  type.shape[axis] = 0;
  for (const TensorType& part : c.operands) {
    bool fits = part.dtype == type.dtype && part.rank() == type.rank();
    for (int i = 0; fits && i < type.rank(); ++i)
      fits = i == axis || part.shape[i] == type.shape[i];
    if (!fits)
      c.fail("{} and {} differ beside axis {}", to_string(c.operand(0)), to_string(part), axis);
    type.shape[axis] += part.shape[axis];
  }
  return {type};
}

std::vector<TensorType> infer_reverse(const InferContext& c) {
  for (int64_t axis : c.attributes.integers("axes")) {
    if (axis < 0 || axis >= c.operand(0).rank())
      c.fail("axis {} is outside {}", axis, to_string(c.operand(0)));
  }
  return {c.operand(0).with_layout({})};
}

std::vector<TensorType> infer_to_layout(const InferContext& c) {
  const TensorType &from = c.operand(0), &to = c.attributes.type("type");
  if (from.with_layout({}) != to.with_layout({}))
    c.fail("from {} to {} changes more than the layout", to_string(from), to_string(to));
  return {to};
}

// ---- reference semantics: each maps an index of the result to one of the operand ----

template <class Map>
void eval_moved(const EvalContext& c, Map&& source_of) {
  const ReferenceTensor& x = c.operand(0);
  Shape strides = row_major_strides(x.shape);
  int64_t i = 0;
  for_each_index(c.result().shape, [&](const Index& index) {
    c.result().copy(i++, x, linear_index(source_of(index), strides));
  });
}

void eval_broadcast(const EvalContext& c) {
  const Integers& axes = c.attributes.integers("axes");
  const Shape& from = c.operand(0).shape;
  eval_moved(c, [&](const Index& index) {
    Index source(from.size());
    for (size_t i = 0; i < from.size(); ++i) source[i] = from[i] == 1 ? 0 : index[axes[i]];
    return source;
  });
}

void eval_transpose(const EvalContext& c) {
  const Integers& permutation = c.attributes.integers("permutation");
  eval_moved(c, [&](const Index& index) {
    Index source(index.size());
    for (size_t i = 0; i < index.size(); ++i) source[permutation[i]] = index[i];
    return source;
  });
}

void eval_slice(const EvalContext& c) {
  const Integers& start = c.attributes.integers("start");
  Integers stride = c.attributes.integers("stride", start.size(), 1);
  eval_moved(c, [&](const Index& index) {
    Index source(index);
    for (size_t i = 0; i < index.size(); ++i) source[i] = start[i] + index[i] * stride[i];
    return source;
  });
}

void eval_reverse(const EvalContext& c) {
  eval_moved(c, [&](const Index& index) {
    Index source(index);
    for (int64_t axis : c.attributes.integers("axes"))
      source[axis] = c.result().shape[axis] - 1 - source[axis];
    return source;
  });
}

void eval_same_order(const EvalContext& c) {
  for (int64_t i = 0; i < c.result().count(); ++i) c.result().copy(i, c.operand(0), i);
}

void eval_pad(const EvalContext& c) {
  const ReferenceTensor& x = c.operand(0);
  ReferenceTensor& y = c.result();
  PadAmounts amounts(c.attributes, x.shape.size());
  for (int64_t i = 0; i < y.count(); ++i) y.set(i, c.attributes.number("value"));
  Shape strides = row_major_strides(y.shape);
  int64_t i = -1;
  for_each_index(x.shape, [&](const Index& index) {
    ++i;
    Index target(index);
    for (size_t axis = 0; axis < index.size(); ++axis) {
      target[axis] = index[axis] * (amounts.interior[axis] + 1) + amounts.low[axis];
      if (target[axis] < 0 || target[axis] >= y.shape[axis]) return;
    }
    y.copy(linear_index(target, strides), x, i);
  });
}

void eval_concat(const EvalContext& c) {
  int64_t axis = c.attributes.integer("axis"), offset = 0;
  Shape strides = row_major_strides(c.result().shape);
  for (const ReferenceTensor* part : c.operands) {
    int64_t i = 0;
    for_each_index(part->shape, [&](const Index& index) {
      c.result().copy(linear_index(index, strides) + offset * strides[axis], *part, i++);
    });
    offset += part->shape[axis];
  }
}

// ---- gradients ----

void grad_broadcast(GradContext& g) {
  const Integers& axes = g.attributes().integers("axes");
  const Shape &from = g.x().shape(), &to = g.y().shape();
  std::vector<int> summed;
  for (int axis = 0; axis < static_cast<int>(to.size()); ++axis) {
    auto place = std::find(axes.begin(), axes.end(), axis);
    bool repeated = place == axes.end() || (from[place - axes.begin()] == 1 && to[axis] != 1);
    if (repeated) summed.push_back(axis);
  }
  g.dx(0, reshape(reduce_sum(g.dy(), summed), from));
}

void grad_transpose(GradContext& g) {
  const Integers& permutation = g.attributes().integers("permutation");
  Integers inverse(permutation.size());
  for (size_t i = 0; i < permutation.size(); ++i) inverse[permutation[i]] = static_cast<int64_t>(i);
  g.dx(0, transpose(g.dy(), inverse));
}

void grad_slice(GradContext& g) {
  const Shape& from = g.x().shape();
  const Integers& start = g.attributes().integers("start");
  Integers stride = g.attributes().integers("stride", from.size(), 1), high, interior;
  for (size_t i = 0; i < from.size(); ++i) {
    int64_t spread = g.y().shape()[i] == 0 ? 0 : (g.y().shape()[i] - 1) * stride[i] + 1;
    high.push_back(from[i] - start[i] - spread);
    interior.push_back(stride[i] - 1);
  }
  g.dx(0, pad(g.dy(), start, high, interior));
}

void grad_pad(GradContext& g) {
  size_t rank = g.x().shape().size();
  PadAmounts amounts(g.attributes(), rank);
  Integers low(rank), high(rank), zero(rank, 0), limit, stride;
  for (size_t i = 0; i < rank; ++i) {
    low[i] = -amounts.low[i];
    high[i] = -amounts.high[i];
    stride.push_back(amounts.interior[i] + 1);
  }
  Tensor cropped = pad(g.dy(), low, high);
  g.dx(0, slice(cropped, zero, cropped.shape(), stride));
}

void grad_concat(GradContext& g) {
  int64_t axis = g.attributes().integer("axis"), offset = 0;
  for (size_t i = 0; i < g.node.operands.size(); ++i) {
    const Shape& part = g.x(i).shape();
    Integers start(part.size(), 0), limit = part;
    start[axis] = offset;
    limit[axis] = offset += part[axis];
    if (g.wants(i)) g.dx(i, slice(g.dy(), start, limit));
  }
}

constexpr bool keeps_zero(const Attributes&) { return true; }

}  // namespace

namespace ops {

constinit const OpDef broadcast{.name = "broadcast",
                                .arity = {1, 1},
                                .attributes = kBroadcastAttributes,
                                .infer = infer_broadcast,
                                .eval = eval_broadcast,
                                .grad = grad_broadcast};
constinit const OpDef reshape{
    .name = "reshape",
    .arity = {1, 1},
    .attributes = kReshapeAttributes,
    .infer = infer_reshape,
    .eval = eval_same_order,
    .grad = [](GradContext& g) { g.dx(0, ag::reshape(g.dy(), g.x().shape())); }};
constinit const OpDef transpose{.name = "transpose",
                                .arity = {1, 1},
                                .attributes = kTransposeAttributes,
                                .infer = infer_transpose,
                                .eval = eval_transpose,
                                .grad = grad_transpose};
constinit const OpDef slice{.name = "slice",
                            .arity = {1, 1},
                            .attributes = kSliceAttributes,
                            .infer = infer_slice,
                            .eval = eval_slice,
                            .grad = grad_slice};
constinit const OpDef pad{.name = "pad",
                          .arity = {1, 1},
                          .attributes = kPadAttributes,
                          .infer = infer_pad,
                          .eval = eval_pad,
                          .grad = grad_pad};
constinit const OpDef concat{.name = "concat",
                             .arity = {1, kAnyNumber},
                             .attributes = kConcatAttributes,
                             .infer = infer_concat,
                             .eval = eval_concat,
                             .grad = grad_concat};
constinit const OpDef reverse{
    .name = "reverse",
    .arity = {1, 1},
    .attributes = kReverseAttributes,
    .infer = infer_reverse,
    .eval = eval_reverse,
    .grad = [](GradContext& g) { g.dx(0, ag::reverse(g.dy(), g.attributes().integers("axes"))); }};
constinit const OpDef to_layout{
    .name = "to_layout",
    .arity = {1, 1},
    .attributes = kReshapeAttributes,
    .infer = infer_to_layout,
    .eval = eval_same_order,
    .grad = [](GradContext& g) { g.dx(0, ag::to_layout(g.dy(), g.x().type().layout)); },
    .preserves_zero = keeps_zero};

}  // namespace ops

// ---- builders ----

Tensor broadcast(Operand x, Shape shape, Integers axes) {
  return apply(ops::broadcast, {x.tensor},
               {{"axes", std::move(axes)}, {"type", x.tensor.type().with_shape(std::move(shape))}},
               x.where);
}

Tensor broadcast_to(Operand x, Shape shape) {
  if (x.tensor.shape() == shape) return x.tensor;
  int offset = static_cast<int>(shape.size()) - x.tensor.rank();
  Integers axes(x.tensor.shape().size());
  std::iota(axes.begin(), axes.end(), offset);
  return broadcast(x, std::move(shape), std::move(axes));
}

Tensor reshape(Operand x, Shape shape) {
  int64_t known = 1;
  for (int64_t extent : shape) known *= extent == -1 ? 1 : extent;
  for (int64_t& extent : shape) {
    if (extent == -1 && known != 0) extent = x.tensor.type().count() / known;
  }
  if (x.tensor.shape() == shape) return x.tensor;
  return apply(ops::reshape, {x.tensor}, {{"type", x.tensor.type().with_shape(std::move(shape))}},
               x.where);
}

Tensor flatten(Operand x, int from_axis) {
  Shape shape(x.tensor.shape().begin(), x.tensor.shape().begin() + from_axis);
  shape.push_back(element_count({x.tensor.shape().begin() + from_axis, x.tensor.shape().end()}));
  return reshape(x, std::move(shape));
}

Tensor transpose(Operand x, Integers permutation) {
  return apply(ops::transpose, {x.tensor}, {{"permutation", std::move(permutation)}}, x.where);
}

Tensor slice(Operand x, Integers start, Integers limit, Integers stride) {
  return apply(
      ops::slice, {x.tensor},
      {{"start", std::move(start)}, {"limit", std::move(limit)}, {"stride", std::move(stride)}},
      x.where);
}

Tensor pad(Operand x, Integers low, Integers high, Integers interior, double value) {
  return apply(ops::pad, {x.tensor},
               {{"low", std::move(low)},
                {"high", std::move(high)},
                {"interior", std::move(interior)},
                {"value", value}},
               x.where);
}

Tensor concat(const std::vector<Tensor>& parts, int axis, std::source_location where) {
  if (parts.empty()) throw CompileError("concat: no parts given").help("give at least one tensor");
  return apply_all(ops::concat, parts, {{"axis", int64_t{axis}}}, where)[0];
}

Tensor reverse(Operand x, Integers axes) {
  return apply(ops::reverse, {x.tensor}, {{"axes", std::move(axes)}}, x.where);
}

Tensor to_layout(Operand x, Layout layout) {
  if (x.tensor.type().layout == layout) return x.tensor;
  return apply(ops::to_layout, {x.tensor},
               {{"type", x.tensor.type().with_layout(std::move(layout))}}, x.where);
}

}  // namespace ag
