// Batched matrix product.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

// [batch…, M, K] times [batch…, K, N]; transpose_a, transpose_b swap the last two axes of an
// operand. Batch axes are equal.
extern const OpDef matmul;

}  // namespace ag::ops

namespace ag {

struct MatmulOptions {
  bool transpose_a = false, transpose_b = false;
};

// Batch axes are broadcast by NumPy's rule.
Tensor matmul(Operand a, Operand b, MatmulOptions options = {});

}  // namespace ag
