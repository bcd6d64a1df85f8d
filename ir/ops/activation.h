// Activation functions that are composites of pointwise ops. All take one float operand.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

extern const OpDef relu6;         // min(max(x, 0), 6)
extern const OpDef clip;          // min(max(x, low), high)
extern const OpDef leaky_relu;    // x where positive, else slope · x
extern const OpDef elu;           // x where positive, else alpha · (exp(x) − 1)
extern const OpDef softplus;      // log(1 + exp(x)), without overflow
extern const OpDef silu;          // x · sigmoid(x)
extern const OpDef mish;          // x · tanh(softplus(x))
extern const OpDef gelu;          // x · Φ(x); with `approximate` by tanh (Hendrycks, Gimpel 2016)
extern const OpDef hard_sigmoid;  // min(max(x + 3, 0), 6) / 6
extern const OpDef hard_swish;    // x · hard_sigmoid(x)

}  // namespace ag::ops

namespace ag {

Tensor relu6(Operand x);
Tensor clip(Operand x, double low, double high);
Tensor leaky_relu(Operand x, double slope = 0.01);
Tensor elu(Operand x, double alpha = 1);
Tensor softplus(Operand x);
Tensor silu(Operand x);
Tensor mish(Operand x);
Tensor gelu(Operand x, bool approximate = false);
Tensor hard_sigmoid(Operand x);
Tensor hard_swish(Operand x);

}  // namespace ag
