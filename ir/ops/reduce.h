// Reductions over axes; the reduced axes vanish.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

extern const OpDef reduce_sum, reduce_max, reduce_min;  // axes
extern const OpDef argmax, argmin;                      // axis; first of equals; i32

}  // namespace ag::ops

namespace ag {

Tensor reduce_sum(Operand x, std::vector<int> axes);
Tensor reduce_max(Operand x, std::vector<int> axes);
Tensor reduce_min(Operand x, std::vector<int> axes);
Tensor reduce_mean(Operand x, std::vector<int> axes);
Tensor argmax(Operand x, int axis);
Tensor argmin(Operand x, int axis);

}  // namespace ag
