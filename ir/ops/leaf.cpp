#include "ir/ops/leaf.h"

#include "ir/infer.h"

namespace ag {
namespace {

constexpr AttributeSpec kLeafAttributes[] = {required("name", AttributeKind::string),
                                             required("type", AttributeKind::type)};
constexpr AttributeSpec kConstantAttributes[] = {required("data", AttributeKind::array)};
constexpr AttributeSpec kFullAttributes[] = {required("value", AttributeKind::number),
                                             required("type", AttributeKind::type)};
constexpr AttributeSpec kIotaAttributes[] = {required("axis", AttributeKind::integer),
                                             required("type", AttributeKind::type)};

std::vector<TensorType> infer_declared(const InferContext& c) {
  const TensorType& type = c.attributes.type("type");
  for (size_t axis = 0; axis < type.shape.size(); ++axis) {
    if (type.shape[axis] < 0) c.fail("extent {} of axis {} is negative", type.shape[axis], axis);
  }
  return {type};
}

std::vector<TensorType> infer_iota(const InferContext& c) {
  TensorType type = infer_declared(c)[0];
  if (type.dtype == DType::boolean)
    throw c.error("result is bool, which cannot count").help("count in i32 and compare");
  int64_t axis = c.attributes.integer("axis");
  if (axis < 0 || axis >= type.rank()) c.fail("axis {} is outside {}", axis, to_string(type));
  return {type};
}

void eval_full(const EvalContext& c) {
  ReferenceTensor& y = c.result();
  for (int64_t i = 0; i < y.count(); ++i) y.set(i, c.attributes.number("value"));
}

void eval_iota(const EvalContext& c) {
  ReferenceTensor& y = c.result();
  int64_t axis = c.attributes.integer("axis"), i = 0;
  for_each_index(y.shape, [&](const auto& index) { y.set(i++, static_cast<double>(index[axis])); });
}

constexpr OpDef leaf(std::string_view name) {
  return {
      .name = name, .kind = OpKind::leaf, .attributes = kLeafAttributes, .infer = infer_declared};
}

}  // namespace

namespace ops {

constinit const OpDef input = leaf("input");
constinit const OpDef parameter = leaf("parameter");
constinit const OpDef state = leaf("state");

constinit const OpDef constant{
    .name = "constant",
    .attributes = kConstantAttributes,
    .infer = [](const InferContext& c) { return std::vector{c.attributes.array("data").type()}; },
    .eval =
        [](const EvalContext& c) {
          c.result() = ReferenceTensor::from(c.attributes.array("data"));
        },
    .differentiable = false,
};

constinit const OpDef full{
    .name = "full",
    .attributes = kFullAttributes,
    .infer = infer_declared,
    .eval = eval_full,
    .differentiable = false,
    .preserves_zero = [](const Attributes& a) { return a.number("value") == 0; },
};

constinit const OpDef iota{
    .name = "iota",
    .attributes = kIotaAttributes,
    .infer = infer_iota,
    .eval = eval_iota,
    .differentiable = false,
};

}  // namespace ops

Tensor input(Graph& graph, std::string name, TensorType type, Where where) {
  return {graph, graph.add_leaf(ops::input, std::move(name), std::move(type), graph.locate(where))};
}

Tensor parameter(Graph& graph, std::string name, TensorType type, Where where) {
  return {graph,
          graph.add_leaf(ops::parameter, std::move(name), std::move(type), graph.locate(where))};
}

Tensor state(Graph& graph, std::string name, TensorType type, Where where) {
  return {graph, graph.add_leaf(ops::state, std::move(name), std::move(type), graph.locate(where))};
}

Tensor constant(Graph& graph, Array array, Where where) {
  return apply_leafless(graph, ops::constant,
                        {{"data", std::make_shared<const Array>(std::move(array))}}, where);
}

Tensor full(Graph& graph, TensorType type, double value, Where where) {
  return apply_leafless(graph, ops::full, {{"value", value}, {"type", std::move(type)}}, where);
}

Tensor iota(Graph& graph, TensorType type, int axis, Where where) {
  return apply_leafless(graph, ops::iota, {{"axis", int64_t{axis}}, {"type", std::move(type)}},
                        where);
}

Tensor full_like(Operand x, double value) {
  return full(x.tensor.graph(), x.tensor.type(), value, x.where);
}

Tensor zeros_like(Operand x) { return full_like(x, 0); }

}  // namespace ag
