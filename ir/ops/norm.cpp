#include "ir/ops/norm.h"

#include <fmt/format.h>

#include <numeric>

#include "ir/gradient.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

constexpr AttributeSpec kBatchNormAttributes[] = {optional_number("epsilon", 1e-5)};
constexpr AttributeSpec kLayerNormAttributes[] = {required("axis", AttributeKind::integer),
                                                  optional_number("epsilon", 1e-5)};

// ---- shape rules ----

void check_x(const InferContext& c) {
  const TensorType& x = c.operand(0);
  if (!is_float(x.dtype) || x.rank() < 2) {
    throw c.error(fmt::format("operand is {}", to_string(x)))
        .help("it wants a float dtype and at least [batch, channels]");
  }
  if (x.count() == 0) c.fail("operand {} is empty", to_string(x));
}

void check_epsilon(const InferContext& c) {
  double epsilon = c.attributes.number("epsilon");
  if (!(epsilon >= 0)) c.fail("epsilon {} must not be negative", epsilon);
}

// Operands [from, to) must be vectors with one entry per channel of operand 0.
TensorType check_channels(const InferContext& c, size_t from, size_t to,
                          std::span<const std::string_view> names) {
  check_x(c);
  check_epsilon(c);
  TensorType vector = c.operand(0).with_shape({c.operand(0).shape[1]});
  for (size_t i = from; i < to; ++i) {
    if (c.operand(i).with_layout({}) == vector) continue;
    throw c
        .error(fmt::format("{} is {}, but operand {} has {} channels", names[i - from],
                           to_string(c.operand(i)), to_string(c.operand(0)), vector.shape[0]))
        .help(fmt::format("make it {}", to_string(vector)));
  }
  return vector;
}

constexpr std::string_view kInferenceNames[] = {"scale", "bias", "mean", "variance"};
constexpr std::string_view kGradNames[] = {"scale", "mean", "variance"};

std::vector<TensorType> infer_inference(const InferContext& c) {
  check_channels(c, 1, 5, kInferenceNames);
  return {c.operand(0)};
}

std::vector<TensorType> infer_training(const InferContext& c) {
  TensorType vector = check_channels(c, 1, 3, kInferenceNames);
  return {c.operand(0), vector, vector};
}

std::vector<TensorType> infer_grad(const InferContext& c) {
  TensorType vector = check_channels(c, 1, 4, kGradNames);
  if (c.operand(4).with_layout({}) != c.operand(0).with_layout({})) {
    c.fail("dy is {}, but operand is {}", to_string(c.operand(4)), to_string(c.operand(0)));
  }
  return {c.operand(0), vector, vector};
}

std::vector<TensorType> infer_layer_norm(const InferContext& c) {
  check_x(c);
  check_epsilon(c);
  const TensorType& x = c.operand(0);
  int64_t axis = c.attributes.integer("axis");
  if (axis < 0 || axis >= x.rank()) c.fail("axis {} is outside {}", axis, to_string(x));
  TensorType row = x.with_shape({x.shape.begin() + axis, x.shape.end()});
  for (size_t i = 1; i < 3; ++i) {
    if (c.operand(i).with_layout({}) == row) continue;
    throw c
        .error(fmt::format("{} is {}, but axes from {} on of operand {} are {}",
                           kInferenceNames[i - 1], to_string(c.operand(i)), axis, to_string(x),
                           to_string(row.shape)))
        .help(fmt::format("make it {}", to_string(row)));
  }
  return {x};
}

// ---- expansions ----

std::vector<int> axes_but_channels(const Tensor& x) {
  std::vector<int> axes{0};
  for (int axis = 2; axis < x.rank(); ++axis) axes.push_back(axis);
  return axes;
}

// Elements of one channel.
double channel_count(const Tensor& x) {
  return static_cast<double>(x.type().count()) / static_cast<double>(x.channels());
}

Tensor per_channel(Tensor vector, const Tensor& x) { return broadcast(vector, x.shape(), {1}); }

std::vector<Tensor> expand_inference(const ExpandContext& c) {
  Tensor x = c.operands[0], scale = c.operands[1], bias = c.operands[2];
  Tensor mean = c.operands[3], variance = c.operands[4];
  Tensor factor = scale * rsqrt(variance + c.attributes.number("epsilon"));
  Tensor offset = bias - mean * factor;
  return {x * per_channel(factor, x) + per_channel(offset, x)};
}

std::vector<Tensor> expand_training(const ExpandContext& c) {
  Tensor x = c.operands[0], scale = c.operands[1], bias = c.operands[2];
  std::vector<int> axes = axes_but_channels(x);
  Tensor mean = reduce_mean(x, axes);
  Tensor centred = x - per_channel(mean, x);
  Tensor variance = reduce_mean(centred * centred, axes);
  Tensor factor = scale * rsqrt(variance + c.attributes.number("epsilon"));
  return {centred * per_channel(factor, x) + per_channel(bias, x), mean, variance};
}

std::vector<Tensor> expand_grad(const ExpandContext& c) {
  Tensor x = c.operands[0], scale = c.operands[1], mean = c.operands[2], dy = c.operands[4];
  Tensor inverse = rsqrt(c.operands[3] + c.attributes.number("epsilon"));
  std::vector<int> axes = axes_but_channels(x);
  Tensor normal = (x - per_channel(mean, x)) * per_channel(inverse, x);
  Tensor dbias = reduce_sum(dy, axes), dscale = reduce_sum(dy * normal, axes);
  double share = 1 / channel_count(x);
  Tensor centred = dy - per_channel(dbias * share, x) - normal * per_channel(dscale * share, x);
  return {centred * per_channel(scale * inverse, x), dscale, dbias};
}

std::vector<Tensor> expand_layer_norm(const ExpandContext& c) {
  Tensor x = c.operands[0];
  int axis = static_cast<int>(c.attributes.integer("axis"));
  std::vector<int> axes(x.rank() - axis);
  std::iota(axes.begin(), axes.end(), axis);
  Shape row = x.shape();
  std::fill(row.begin() + axis, row.end(), 1);
  Tensor centred = x - reshape(reduce_mean(x, axes), row);
  Tensor variance = reshape(reduce_mean(centred * centred, axes), row);
  Tensor normal = centred * rsqrt(variance + c.attributes.number("epsilon"));
  return {normal * c.operands[1] + c.operands[2]};
}

// ---- gradients ----

void grad_training(GradContext& g) {
  Tensor x = g.x(0), mean = g.y(1), variance = g.y(2);
  Tensor dx;
  if (g.has_dy(0)) {
    Tensor operands[] = {x, g.x(1), mean, variance, g.dy()};
    std::vector<Tensor> all =
        apply_all(ops::batch_norm_grad, operands, {{"epsilon", g.attributes().number("epsilon")}},
                  std::source_location());
    dx = all[0];
    g.dx(1, all[1]);
    g.dx(2, all[2]);
  }
  auto accumulate = [&](Tensor more) { dx = dx.valid() ? dx + more : more; };
  double share = 1 / channel_count(x);
  if (g.wants(0) && g.has_dy(1)) accumulate(per_channel(g.dy(1) * share, x));
  if (g.wants(0) && g.has_dy(2))
    accumulate((x - per_channel(mean, x)) * per_channel(g.dy(2) * (2 * share), x));
  if (dx.valid()) g.dx(0, dx);
}

int64_t flops_of_elements(const Node& node, std::span<const TensorType>) {
  return 8 * node.types[0].count();
}

constexpr OpDef normalisation(std::string_view name, int operands, InferFunction infer,
                              ExpandFunction expand, GradFunction grad = nullptr) {
  return {.name = name,
          .kind = OpKind::composite,
          .arity = {operands, operands},
          .attributes = kBatchNormAttributes,
          .infer = infer,
          .expand = expand,
          .grad = grad,
          .flops = flops_of_elements};
}

}  // namespace

namespace ops {

constinit const OpDef batch_norm_inference =
    normalisation("batch_norm_inference", 5, infer_inference, expand_inference);
constinit const OpDef batch_norm_training =
    normalisation("batch_norm_training", 3, infer_training, expand_training, grad_training);
constinit const OpDef batch_norm_grad =
    normalisation("batch_norm_grad", 5, infer_grad, expand_grad);
constinit const OpDef layer_norm{.name = "layer_norm",
                                 .kind = OpKind::composite,
                                 .arity = {3, 3},
                                 .attributes = kLayerNormAttributes,
                                 .infer = infer_layer_norm,
                                 .expand = expand_layer_norm,
                                 .flops = flops_of_elements};

}  // namespace ops

Tensor batch_norm_inference(Operand x, Operand scale, Operand bias, Operand mean, Operand variance,
                            double epsilon) {
  return apply(ops::batch_norm_inference,
               {x.tensor, scale.tensor, bias.tensor, mean.tensor, variance.tensor},
               {{"epsilon", epsilon}}, x.where);
}

BatchNormResults batch_norm_training(Operand x, Operand scale, Operand bias, double epsilon) {
  Tensor operands[] = {x.tensor, scale.tensor, bias.tensor};
  std::vector<Tensor> results =
      apply_all(ops::batch_norm_training, operands, {{"epsilon", epsilon}}, x.where);
  return {results[0], results[1], results[2]};
}

Tensor layer_norm(Operand x, Operand scale, Operand bias, int axis, double epsilon) {
  int64_t positive = axis < 0 ? axis + x.tensor.rank() : axis;
  return apply(ops::layer_norm, {x.tensor, scale.tensor, bias.tensor},
               {{"axis", positive}, {"epsilon", epsilon}}, x.where);
}

}  // namespace ag
