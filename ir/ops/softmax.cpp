#include "ir/ops/softmax.h"

#include <fmt/format.h>

#include "ir/gradient.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

constexpr AttributeSpec kAxis[] = {required("axis", AttributeKind::integer)};

std::vector<TensorType> infer_softmax(const InferContext& c) {
  const TensorType& x = c.operand(0);
  int64_t axis = c.attributes.integer("axis");
  if (!is_float(x.dtype))
    throw c.error(fmt::format("operand is {}, but the op wants a float", to_string(x)))
        .help("insert a cast");
  if (axis < 0 || axis >= x.rank()) {
    throw c.error(fmt::format("axis {} is outside {}", axis, to_string(x)))
        .help(fmt::format("axes run from 0 to {}; builders count negative ones from the back",
                          x.rank() - 1));
  }
  return {x};
}

// The sum along the axis, which stays with extent 1.
Tensor sum_along(Tensor x, int axis) {
  Shape row = x.shape();
  row[axis] = 1;
  return reshape(reduce_sum(x, {axis}), row);
}

// The sum along the axis, repeated along it.
Tensor row_sum(Tensor x, int axis) { return broadcast_to(sum_along(x, axis), x.shape()); }

// x minus its maximum along the axis, so that exp cannot overflow. The maximum cancels out of the
// result, and so does its gradient.
Tensor shifted(Tensor x, int axis) {
  Shape row = x.shape();
  row[axis] = 1;
  return x - stop_gradient(reshape(reduce_max(x, {axis}), row));
}

int axis_of(const Attributes& attributes) { return static_cast<int>(attributes.integer("axis")); }

std::vector<Tensor> expand_softmax(const ExpandContext& c) {
  int axis = axis_of(c.attributes);
  Tensor e = exp(shifted(c.operands[0], axis));
  return {e * broadcast_to(1.0 / sum_along(e, axis), e.shape())};  // one division a row
}

std::vector<Tensor> expand_log_softmax(const ExpandContext& c) {
  int axis = axis_of(c.attributes);
  Tensor x = shifted(c.operands[0], axis);
  return {x - log(row_sum(exp(x), axis))};
}

void grad_softmax(GradContext& g) {
  Tensor weighted = g.dy() * g.y();
  g.dx(0, weighted - g.y() * row_sum(weighted, axis_of(g.attributes())));
}

void grad_log_softmax(GradContext& g) {
  g.dx(0, g.dy() - exp(g.y()) * row_sum(g.dy(), axis_of(g.attributes())));
}

int64_t softmax_flops(const Node& node, std::span<const TensorType>) {
  return 5 * node.types[0].count();
}

constexpr OpDef along_axis(std::string_view name, ExpandFunction expand, GradFunction grad) {
  return {.name = name,
          .kind = OpKind::composite,
          .arity = {1, 1},
          .attributes = kAxis,
          .infer = infer_softmax,
          .expand = expand,
          .grad = grad,
          .flops = softmax_flops};
}

Tensor build(const OpDef& op, const Operand& x, int axis) {
  int64_t positive = axis < 0 ? axis + x.tensor.rank() : axis;
  return apply(op, {x.tensor}, {{"axis", positive}}, x.where);
}

}  // namespace

namespace ops {

constinit const OpDef softmax = along_axis("softmax", expand_softmax, grad_softmax);
constinit const OpDef log_softmax = along_axis("log_softmax", expand_log_softmax, grad_log_softmax);

}  // namespace ops

Tensor softmax(Operand x, int axis) { return build(ops::softmax, x, axis); }
Tensor log_softmax(Operand x, int axis) { return build(ops::log_softmax, x, axis); }

}  // namespace ag
