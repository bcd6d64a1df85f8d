// Pointwise ops: element i of the result depends on elements i of the operands alone. All operands
// have one shape; the builder functions broadcast (NumPy's rule) and accept scalars.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

// Unary, floats (negate, abs, sign also signed integers).
extern const OpDef negate, abs, sign, exp, log, sqrt, rsqrt, reciprocal, sin, cos, tanh, erf,
    gelu_slope, sigmoid, relu, floor, ceil, round;
extern const OpDef logical_not;  // bool
extern const OpDef cast;         // to the declared dtype
// Binary, floats and integers.
extern const OpDef add, subtract, multiply, divide, maximum, minimum, power;
extern const OpDef bit_and, bit_or, bit_xor, shift_left,
    shift_right;  // integers; and, or, xor also bool
extern const OpDef equal, not_equal, less, less_equal, greater, greater_equal;  // to bool
extern const OpDef select;  // (bool, a, b): a where true
// The operand; gradients do not pass.
extern const OpDef stop_gradient;

}  // namespace ag::ops

namespace ag {

Tensor negate(Operand x);
Tensor abs(Operand x);
Tensor sign(Operand x);
Tensor exp(Operand x);
Tensor log(Operand x);
Tensor sqrt(Operand x);
Tensor rsqrt(Operand x);
Tensor reciprocal(Operand x);
Tensor sin(Operand x);
Tensor cos(Operand x);
Tensor tanh(Operand x);
Tensor erf(Operand x);
Tensor gelu_slope(Operand x);  // of x Φ(x) at x: Φ(x) + x φ(x), with the normal distribution's
Tensor sigmoid(Operand x);
Tensor relu(Operand x);
Tensor floor(Operand x);
Tensor ceil(Operand x);
Tensor round(Operand x);  // half to even
Tensor logical_not(Operand x);
Tensor cast(Operand x, DType dtype);
Tensor stop_gradient(Operand x);

Tensor add(Operand a, Operand b);
Tensor subtract(Operand a, Operand b);
Tensor multiply(Operand a, Operand b);
Tensor divide(Operand a, Operand b);
Tensor maximum(Operand a, Operand b);
Tensor minimum(Operand a, Operand b);
Tensor power(Operand a, Operand b);
Tensor bit_and(Operand a, Operand b);
Tensor bit_or(Operand a, Operand b);
Tensor bit_xor(Operand a, Operand b);
Tensor shift_left(Operand a, Operand b);
Tensor shift_right(Operand a, Operand b);  // arithmetic for signed, logical for unsigned
Tensor equal(Operand a, Operand b);
Tensor not_equal(Operand a, Operand b);
Tensor less(Operand a, Operand b);
Tensor less_equal(Operand a, Operand b);
Tensor greater(Operand a, Operand b);
Tensor greater_equal(Operand a, Operand b);
Tensor select(Operand condition, Operand a, Operand b);

inline Tensor operator-(Operand x) { return negate(x); }
inline Tensor operator+(Operand a, Operand b) { return add(a, b); }
inline Tensor operator-(Operand a, Operand b) { return subtract(a, b); }
inline Tensor operator*(Operand a, Operand b) { return multiply(a, b); }
inline Tensor operator/(Operand a, Operand b) { return divide(a, b); }

}  // namespace ag
