// Views: ops that only move elements. `broadcast` is the only one that repeats them.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

extern const OpDef broadcast;  // axes: the result axis of each operand axis (extent equal or 1)
extern const OpDef reshape;    // same elements in row-major order
extern const OpDef transpose;  // permutation: result axis i is operand axis permutation[i]
extern const OpDef slice;      // start, limit, stride per axis
extern const OpDef pad;        // low, high (negative: crop), interior per axis, value
extern const OpDef concat;     // along axis
extern const OpDef reverse;    // along axes
extern const OpDef to_layout;  // the same tensor stored in the declared layout

}  // namespace ag::ops

namespace ag {

// The tensor repeated to `shape`; axes[i] is the axis of `shape` that axis i of x becomes.
Tensor broadcast(Operand x, Shape shape, Integers axes);
// NumPy's rule: axes are matched from the last. Returns x itself when it has that shape.
Tensor broadcast_to(Operand x, Shape shape);
// One extent may be -1: what is left.
Tensor reshape(Operand x, Shape shape);
// Axes from `from_axis` on become one.
Tensor flatten(Operand x, int from_axis = 1);
Tensor transpose(Operand x, Integers permutation);
Tensor slice(Operand x, Integers start, Integers limit, Integers stride = {});
// Negative padding crops; `interior` zeros stand between neighbours.
Tensor pad(Operand x, Integers low, Integers high, Integers interior = {}, double value = 0);
Tensor concat(const std::vector<Tensor>& parts, int axis,
              std::source_location where = std::source_location::current());
Tensor reverse(Operand x, Integers axes);
Tensor to_layout(Operand x, Layout layout);

}  // namespace ag
