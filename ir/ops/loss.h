// Losses: one number for a batch.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

// (logits [batch, classes, …], labels [batch, …] of any integer dtype): the mean over all labels of
// −Σ over classes of target · log softmax(logits). The target is 1 − label_smoothing at the label
// plus label_smoothing / classes everywhere. A label outside [0, classes) has no class: only the
// smoothing part of its target remains.
extern const OpDef cross_entropy;
// (prediction, target), equal types: the mean of the squared differences.
extern const OpDef mse_loss;

}  // namespace ag::ops

namespace ag {

Tensor cross_entropy(Operand logits, Operand labels, double label_smoothing = 0);
Tensor mse_loss(Operand prediction, Operand target);

}  // namespace ag
