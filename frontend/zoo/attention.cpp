#include "frontend/zoo/attention.h"

#include <cmath>

#include "frontend/layers.h"
#include "ir/ops/activation.h"
#include "ir/ops/contract.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/softmax.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

Tensor biased(Tensor scores, Tensor bias) {
  if (!bias.valid()) return scores;
  const Shape shape = scores.shape();
  const int64_t period = bias.extent(0);
  if (period == 1 || period == shape[0]) return scores + bias;
  scores = reshape(scores, {shape[0] / period, period, shape[1], shape[2], shape[3]});
  return reshape(scores + bias, shape);
}

}  // namespace

Tensor self_attention(Tensor projected, int64_t heads, Tensor bias) {
  const int64_t batch = projected.extent(0), tokens = projected.extent(1);
  const int64_t width = projected.extent(2) / 3, depth = width / heads;
  Tensor parts = reshape(projected, {batch, tokens, 3, heads, depth});
  parts = transpose(parts, {2, 0, 3, 1, 4});
  auto part = [&](int64_t i) {
    Tensor one = slice(parts, {i, 0, 0, 0, 0}, {i + 1, batch, heads, tokens, depth});
    return reshape(one, {batch, heads, tokens, depth});
  };
  Tensor query = part(0) * (1 / std::sqrt(static_cast<double>(depth)));
  Tensor scores = matmul(query, part(1), {.transpose_b = true});
  Tensor mixed = matmul(softmax(biased(scores, bias)), part(2));
  return reshape(transpose(mixed, {0, 2, 1, 3}), {batch, tokens, width});
}

Tensor perceptron(Tensor x, PerceptronNames names) {
  const int64_t width = x.extent(-1);
  x = gelu(linear(names.in, x, 4 * width, {.weight = xavier_uniform()}));
  return linear(names.out, x, width, {.weight = xavier_uniform()});
}

}  // namespace ag::zoo
