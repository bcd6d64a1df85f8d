// Leaves and constants: values that come from outside or from the program text.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

extern const OpDef input;      // given at every call
extern const OpDef parameter;  // trained; named as in published state dicts
extern const OpDef state;      // kept between calls: running statistics, optimizer state, RNG key
extern const OpDef constant;   // an array of the program
extern const OpDef full;       // one number in every element
extern const OpDef iota;       // element i along `axis` is i

}  // namespace ag::ops

namespace ag {

using Where = std::source_location;

Tensor input(Graph& graph, std::string name, TensorType type, Where where = Where::current());
Tensor parameter(Graph& graph, std::string name, TensorType type, Where where = Where::current());
Tensor state(Graph& graph, std::string name, TensorType type, Where where = Where::current());
Tensor constant(Graph& graph, Array array, Where where = Where::current());
Tensor full(Graph& graph, TensorType type, double value, Where where = Where::current());
Tensor iota(Graph& graph, TensorType type, int axis, Where where = Where::current());
// A tensor of the same type filled with one number.
Tensor full_like(Operand x, double value);
Tensor zeros_like(Operand x);

}  // namespace ag
