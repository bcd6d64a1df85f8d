// Random numbers as pure functions of a key: Philox4x32-10 (ir/philox.h). A key is u32[2]; ops that
// share one draw from streams of their own.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

// (key; stream) to the declared u32 type: element i is word i % 4 of the block with counter words
// (i / 4 low, i / 4 high, stream low, stream high).
extern const OpDef random_bits;
// (key; stream) to the declared float type: uniform in [0, 1), 24 bits of each word.
extern const OpDef random_uniform;
// (key; stream) to the declared float type: normal with mean 0 and variance 1 (Box, Muller 1958).
extern const OpDef random_normal;
// (x, key; rate, stream): each element zero with probability rate, else divided by 1 − rate.
extern const OpDef dropout;

}  // namespace ag::ops

namespace ag {

// Stream numbers from 0 on are the program's.
Tensor random_bits(Operand key, Shape shape, int64_t stream = 0);
Tensor random_uniform(Operand key, TensorType type, int64_t stream = 0);
Tensor random_normal(Operand key, TensorType type, int64_t stream = 0);
Tensor dropout(Operand x, Operand key, double rate, int64_t stream = 0);
// The key of the next step; drawn from stream -1, which no other op uses.
Tensor next_key(Operand key);

}  // namespace ag
