// Softmax and its logarithm along one axis.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

extern const OpDef softmax, log_softmax;  // axis

}  // namespace ag::ops

namespace ag {

Tensor softmax(Operand x, int axis = -1);
Tensor log_softmax(Operand x, int axis = -1);

}  // namespace ag
