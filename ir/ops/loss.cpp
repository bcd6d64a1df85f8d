#include "ir/ops/loss.h"

#include <fmt/format.h>

#include <numeric>

#include "ir/gradient.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/softmax.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

constexpr AttributeSpec kCrossEntropyAttributes[] = {optional_number("label_smoothing", 0)};
constexpr int kClassAxis = 1;

Shape label_shape(const Shape& logits) {
  Shape shape = logits;
  shape.erase(shape.begin() + kClassAxis);
  return shape;
}

std::vector<TensorType> infer_cross_entropy(const InferContext& c) {
  const TensorType &logits = c.operand(0), &labels = c.operand(1);
  if (!is_float(logits.dtype) || logits.rank() < 2 || logits.count() == 0) {
    throw c.error(fmt::format("logits are {}", to_string(logits)))
        .help("they want a float dtype and at least [batch, classes]");
  }
  if (!is_integer(labels.dtype)) {
    throw c.error(fmt::format("labels are {}, not integers", to_string(labels)))
        .help("give the index of the class of each example as i32 or i64");
  }
  if (labels.shape != label_shape(logits.shape)) {
    throw c
        .error(fmt::format("labels {} do not fit logits {}", to_string(labels), to_string(logits)))
        .help("labels have the shape of the logits without axis 1: " +
              to_string(labels.with_shape(label_shape(logits.shape))));
  }
  double smoothing = c.attributes.number("label_smoothing");
  if (!(smoothing >= 0 && smoothing <= 1)) {
    throw c.error(fmt::format("label_smoothing {} lies outside [0, 1]", smoothing))
        .help("it is the share of the target spread over all classes, often 0.1");
  }
  return {logits.with_shape({})};
}

// The distribution each label stands for, in the shape of the logits.
Tensor target_of(Tensor logits, Tensor labels, double smoothing) {
  Integers axes(labels.shape().size());
  std::iota(axes.begin(), axes.end(), 1);
  axes[0] = 0;
  Tensor classes = iota(logits.graph(), tensor_type(labels.dtype(), logits.shape()), kClassAxis);
  Tensor hit = cast(equal(classes, broadcast(labels, logits.shape(), axes)), logits.dtype());
  if (smoothing == 0) return hit;
  return hit * (1 - smoothing) + smoothing / static_cast<double>(logits.extent(kClassAxis));
}

std::vector<int> all_axes(Tensor x) {
  std::vector<int> axes(x.rank());
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

std::vector<Tensor> expand_cross_entropy(const ExpandContext& c) {
  Tensor logits = c.operands[0], labels = c.operands[1];
  Tensor target = target_of(logits, labels, c.attributes.number("label_smoothing"));
  Tensor sum = reduce_sum(target * log_softmax(logits, kClassAxis), all_axes(logits));
  return {sum * (-1.0 / static_cast<double>(labels.type().count()))};
}

// d logits = (softmax · Σ target − target) / labels; targets of proper labels sum to 1.
void grad_cross_entropy(GradContext& g) {
  Tensor logits = g.x(0), labels = g.x(1);
  Tensor target = target_of(logits, labels, g.attributes().number("label_smoothing"));
  Integers kept{0};
  for (int axis = 2; axis < logits.rank(); ++axis) kept.push_back(axis);
  Tensor mass = broadcast(reduce_sum(target, {kClassAxis}), logits.shape(), kept);
  Tensor scale = g.dy() * (1.0 / static_cast<double>(labels.type().count()));
  g.dx(0, (softmax(logits, kClassAxis) * mass - target) * scale);
}

std::vector<TensorType> infer_mse(const InferContext& c) {
  const TensorType &prediction = c.operand(0), &target = c.operand(1);
  if (!is_float(prediction.dtype) || prediction.count() == 0) {
    throw c.error(fmt::format("prediction is {}", to_string(prediction)))
        .help("it wants a float dtype and at least one element");
  }
  if (prediction.with_layout({}) != target.with_layout({})) {
    throw c
        .error(fmt::format("prediction is {}, but the target is {}", to_string(prediction),
                           to_string(target)))
        .help("reshape or cast one of them");
  }
  return {prediction.with_shape({})};
}

std::vector<Tensor> expand_mse(const ExpandContext& c) {
  Tensor difference = c.operands[0] - c.operands[1];
  return {reduce_mean(difference * difference, all_axes(difference))};
}

int64_t loss_flops(const Node&, std::span<const TensorType> operands) {
  return 5 * operands[0].count();
}

}  // namespace

namespace ops {

constinit const OpDef cross_entropy{.name = "cross_entropy",
                                    .kind = OpKind::composite,
                                    .arity = {2, 2},
                                    .attributes = kCrossEntropyAttributes,
                                    .infer = infer_cross_entropy,
                                    .expand = expand_cross_entropy,
                                    .grad = grad_cross_entropy,
                                    .flops = loss_flops};
constinit const OpDef mse_loss{.name = "mse_loss",
                               .kind = OpKind::composite,
                               .arity = {2, 2},
                               .infer = infer_mse,
                               .expand = expand_mse,
                               .flops = loss_flops};

}  // namespace ops

Tensor cross_entropy(Operand logits, Operand labels, double label_smoothing) {
  return apply(ops::cross_entropy, {logits.tensor, labels.tensor},
               {{"label_smoothing", label_smoothing}}, logits.where);
}

Tensor mse_loss(Operand prediction, Operand target) {
  return apply(ops::mse_loss, {prediction.tensor, target.tensor}, {}, prediction.where);
}

}  // namespace ag
