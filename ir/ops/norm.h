// Normalisations. Channels are axis 1; operands of any rank from 2.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

// (x, scale, bias, mean, variance; epsilon): scale · (x − mean) / √(variance + epsilon) + bias,
// each channel with its own.
extern const OpDef batch_norm_inference;
// (x, scale, bias; epsilon) to (y, mean, variance): the same with mean and biased variance of the
// operand over all axes but the channels (Ioffe, Szegedy 2015).
extern const OpDef batch_norm_training;
// (x, scale, mean, variance, dy; epsilon) to (dx, dscale, dbias).
extern const OpDef batch_norm_grad;
// (x, scale, bias; axis, epsilon): normalised over the axes from `axis` on, whose extents scale and
// bias have (Ba, Kiros, Hinton 2016).
extern const OpDef layer_norm;

}  // namespace ag::ops

namespace ag {

struct BatchNormResults {
  Tensor y, mean, variance;
};

Tensor batch_norm_inference(Operand x, Operand scale, Operand bias, Operand mean, Operand variance,
                            double epsilon = 1e-5);
BatchNormResults batch_norm_training(Operand x, Operand scale, Operand bias, double epsilon = 1e-5);
Tensor layer_norm(Operand x, Operand scale, Operand bias, int axis = -1, double epsilon = 1e-5);

}  // namespace ag
