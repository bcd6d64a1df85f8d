#include "ir/ops/activation.h"

#include <fmt/format.h>

#include <numbers>

#include "ir/gradient.h"
#include "ir/ops/pointwise.h"

namespace ag {
namespace {

constexpr AttributeSpec kClipAttributes[] = {required("low", AttributeKind::number),
                                             required("high", AttributeKind::number)};
constexpr AttributeSpec kLeakyReluAttributes[] = {optional_number("slope", 0.01)};
constexpr AttributeSpec kEluAttributes[] = {optional_number("alpha", 1)};
constexpr AttributeSpec kGeluAttributes[] = {flag("approximate")};

std::vector<TensorType> infer_float(const InferContext& c) {
  if (is_float(c.operand(0).dtype)) return {c.operand(0)};
  throw c.error(fmt::format("operand is {}, but the op wants a float", to_string(c.operand(0))))
      .help("insert a cast");
}

std::vector<TensorType> infer_clip(const InferContext& c) {
  double low = c.attributes.number("low"), high = c.attributes.number("high");
  if (!(low <= high)) {
    throw c.error(fmt::format("low {} lies above high {}", low, high))
        .help(fmt::format("swap them: low={}, high={}", high, low));
  }
  return infer_float(c);
}

// dy where x lies strictly between, else zero.
Tensor masked_between(GradContext& g, double low, double high) {
  return select(bit_and(greater(g.x(), low), less(g.x(), high)), g.dy(), 0.0);
}

// exp only sees what is not positive, so the arm that is not taken cannot overflow.
std::vector<Tensor> expand_elu(const ExpandContext& c) {
  Tensor x = c.operands[0];
  Tensor below = c.attributes.number("alpha") * (exp(minimum(x, 0.0)) - 1.0);
  return {select(greater(x, 0.0), x, below)};
}

void grad_elu(GradContext& g) {
  Tensor slope = g.attributes().number("alpha") * exp(minimum(g.x(), 0.0));
  g.dx(0, select(greater(g.x(), 0.0), g.dy(), g.dy() * slope));
}

std::vector<Tensor> expand_gelu(const ExpandContext& c) {
  Tensor x = c.operands[0];
  if (!c.attributes.flag("approximate"))
    return {0.5 * x * (1.0 + erf(x * (1 / std::numbers::sqrt2)))};
  const double factor = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;  // √(2/π)
  return {0.5 * x * (1.0 + tanh(factor * (x + 0.044715 * x * x * x)))};
}

// The slope is an op of x alone, so that a kernel keeps nothing but x for it.
void grad_gelu(GradContext& g) {
  Tensor x = g.x();
  if (!g.attributes().flag("approximate")) {
    g.dx(0, g.dy() * gelu_slope(x));
    return;
  }
  const double factor = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  Tensor t = tanh(factor * (x + 0.044715 * x * x * x));
  Tensor inner = factor * (1.0 + (3 * 0.044715) * x * x);
  g.dx(0, g.dy() * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner));
}

constexpr bool keeps_zero(const Attributes&) { return true; }

constexpr OpDef activation(std::string_view name, ExpandFunction expand, bool zero_to_zero,
                           GradFunction grad = nullptr,
                           std::span<const AttributeSpec> attributes = {}) {
  return {.name = name,
          .kind = OpKind::composite,
          .arity = {1, 1},
          .attributes = attributes,
          .infer = infer_float,
          .expand = expand,
          .grad = grad,
          .preserves_zero = zero_to_zero ? keeps_zero : nullptr,
          .pointwise = true};
}

using Tensors = std::vector<Tensor>;

}  // namespace

namespace ops {

constinit const OpDef relu6 = activation(
    "relu6",
    [](const ExpandContext& c) { return Tensors{ag::minimum(ag::relu(c.operands[0]), 6.0)}; }, true,
    [](GradContext& g) { g.dx(0, masked_between(g, 0, 6)); });

constinit const OpDef clip{
    .name = "clip",
    .kind = OpKind::composite,
    .arity = {1, 1},
    .attributes = kClipAttributes,
    .infer = infer_clip,
    .expand =
        [](const ExpandContext& c) {
          Tensor raised = ag::maximum(c.operands[0], c.attributes.number("low"));
          return Tensors{ag::minimum(raised, c.attributes.number("high"))};
        },
    .grad =
        [](GradContext& g) {
          g.dx(0, masked_between(g, g.attributes().number("low"), g.attributes().number("high")));
        },
    .preserves_zero =
        [](const Attributes& a) { return a.number("low") <= 0 && a.number("high") >= 0; },
    .pointwise = true};

constinit const OpDef leaky_relu = activation(
    "leaky_relu",
    [](const ExpandContext& c) {
      Tensor x = c.operands[0];
      return Tensors{ag::select(ag::greater(x, 0.0), x, x * c.attributes.number("slope"))};
    },
    true, nullptr, kLeakyReluAttributes);

constinit const OpDef elu = activation("elu", expand_elu, true, grad_elu, kEluAttributes);

constinit const OpDef softplus = activation(
    "softplus",
    [](const ExpandContext& c) {
      Tensor x = c.operands[0];
      return Tensors{ag::relu(x) + ag::log(1.0 + ag::exp(-ag::abs(x)))};
    },
    false, [](GradContext& g) { g.dx(0, g.dy() * ag::sigmoid(g.x())); });

constinit const OpDef silu = activation(
    "silu",
    [](const ExpandContext& c) { return Tensors{c.operands[0] * ag::sigmoid(c.operands[0])}; },
    true);

constinit const OpDef mish = activation(
    "mish",
    [](const ExpandContext& c) {
      return Tensors{c.operands[0] * ag::tanh(ag::softplus(c.operands[0]))};
    },
    true);

constinit const OpDef gelu = activation("gelu", expand_gelu, true, grad_gelu, kGeluAttributes);

constinit const OpDef hard_sigmoid = activation(
    "hard_sigmoid",
    [](const ExpandContext& c) { return Tensors{ag::relu6(c.operands[0] + 3.0) * (1.0 / 6)}; },
    false);

constinit const OpDef hard_swish = activation(
    "hard_swish",
    [](const ExpandContext& c) { return Tensors{c.operands[0] * ag::hard_sigmoid(c.operands[0])}; },
    true);

}  // namespace ops

namespace {

Tensor build(const OpDef& op, const Operand& x, Attributes attributes = {}) {
  return apply(op, {x.tensor}, std::move(attributes), x.where);
}

}  // namespace

Tensor relu6(Operand x) { return build(ops::relu6, x); }
Tensor clip(Operand x, double low, double high) {
  return build(ops::clip, x, {{"low", low}, {"high", high}});
}
Tensor leaky_relu(Operand x, double slope) { return build(ops::leaky_relu, x, {{"slope", slope}}); }
Tensor elu(Operand x, double alpha) { return build(ops::elu, x, {{"alpha", alpha}}); }
Tensor softplus(Operand x) { return build(ops::softplus, x); }
Tensor silu(Operand x) { return build(ops::silu, x); }
Tensor mish(Operand x) { return build(ops::mish, x); }
Tensor gelu(Operand x, bool approximate) {
  return build(ops::gelu, x, {{"approximate", approximate}});
}
Tensor hard_sigmoid(Operand x) { return build(ops::hard_sigmoid, x); }
Tensor hard_swish(Operand x) { return build(ops::hard_swish, x); }

}  // namespace ag
