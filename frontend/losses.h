// What training makes small.
#pragma once

#include <functional>
#include <string>

#include "ir/ops/loss.h"
#include "ir/tensor.h"

namespace ag {

// How labels of a loss look: class numbers i32[batch, …] without the axis of the classes, or a
// tensor like the prediction.
enum class LabelKind { class_index, like_prediction };

// A function (prediction, labels) to one number: `.loss = cross_entropy`, `.loss = mse_loss`,
// smoothed_cross_entropy(0.1), or {function, kind} of one's own.
struct Loss {
  using Function = std::function<Tensor(Tensor prediction, Tensor labels)>;

  Loss(Function function, LabelKind labels) : function(std::move(function)), labels(labels) {}
  // cross_entropy
  Loss(Tensor (*smoothed)(Operand logits, Operand labels, double label_smoothing));
  // mse_loss
  Loss(Tensor (*like)(Operand prediction, Operand target));

  Function function;
  LabelKind labels;

  // The type of the labels for predictions of type `prediction`.
  TensorType label_type(const TensorType& prediction) const;
};

// Cross entropy whose targets give `amount` of their weight to all classes alike (Szegedy et al.,
// "Rethinking the Inception architecture", 2015).
Loss smoothed_cross_entropy(double amount);

// How many rows of logits [batch, classes, …] are largest at their label: i32, one number.
Tensor correct_count(Operand logits, Operand labels);

}  // namespace ag
