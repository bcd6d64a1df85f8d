#include "frontend/losses.h"

#include <fmt/format.h>

#include <numeric>

#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"

namespace ag {

Loss::Loss(Tensor (*smoothed)(Operand, Operand, double))
    : Loss([smoothed](Tensor logits, Tensor labels) { return smoothed(logits, labels, 0); },
           LabelKind::class_index) {}

Loss::Loss(Tensor (*like)(Operand, Operand))
    : Loss([like](Tensor prediction, Tensor target) { return like(prediction, target); },
           LabelKind::like_prediction) {}

TensorType Loss::label_type(const TensorType& prediction) const {
  if (labels == LabelKind::like_prediction) return prediction;
  if (prediction.rank() < 2) {
    throw CompileError(fmt::format("loss: the prediction is {}, but [batch, classes, …] is needed",
                                   to_string(prediction)));
  }
  Shape shape = prediction.shape;
  shape.erase(shape.begin() + 1);
  return tensor_type(DType::i32, shape);
}

Loss smoothed_cross_entropy(double amount) {
  if (!(amount >= 0 && amount < 1)) {
    throw CompileError(fmt::format("cross_entropy: label smoothing is {}", amount))
        .help("choose a number in [0, 1)");
  }
  return {[amount](Tensor logits, Tensor labels) { return cross_entropy(logits, labels, amount); },
          LabelKind::class_index};
}

Tensor correct_count(Operand logits, Operand labels) {
  Tensor hits = cast(equal(argmax(logits, 1), labels), DType::i32);
  std::vector<int> axes(hits.rank());
  std::iota(axes.begin(), axes.end(), 0);
  return reduce_sum(hits, axes);
}

}  // namespace ag
