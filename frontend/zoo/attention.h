// What the transformers share.
#pragma once

#include "ir/tensor.h"

namespace ag::zoo {

// Scaled dot-product attention of tokens to each other (Vaswani et al., "Attention is all you
// need", 2017). `projected` is [batch, tokens, 3 · width]: queries, keys and values, each of them
// `heads` parts side by side; the result is [batch, tokens, width]. `bias`, where given, is added
// to the scores: [k, heads, tokens, tokens], repeated for every k examples.
Tensor self_attention(Tensor projected, int64_t heads, Tensor bias = {});

// Two affine maps with gelu between: `in` to four times the width, `out` back.
struct PerceptronNames {
  const char *in, *out;
};
Tensor perceptron(Tensor x, PerceptronNames names);

}  // namespace ag::zoo
