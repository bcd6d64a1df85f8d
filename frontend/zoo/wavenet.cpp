// WaveNet (van den Oord et al., "WaveNet: a generative model for raw audio", 2016): gated causal
// convolutions whose dilation doubles from layer to layer, in two stacks of ten. The signal is
// [batch, 256, samples], one channel per quantised amplitude; so is the answer, for the sample
// that follows.
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

constexpr int64_t kResidual = 64, kSkip = 256;
constexpr int kStacks = 2, kLayers = 10;

Tensor point(std::string_view name, Tensor x, int64_t width) {
  return conv(name, x, width, {.kernel = 1});
}

Tensor channels_between(Tensor x, int64_t from, int64_t to) {
  return slice(x, {0, from, 0}, {x.batch(), to, x.extent(2)});
}

Tensor gated(Tensor x, int64_t dilation) {
  x = conv("gate", x, 2 * kResidual, {.kernel = 2, .padding = "causal", .dilation = dilation});
  return tanh(channels_between(x, 0, kResidual)) *
         sigmoid(channels_between(x, kResidual, 2 * kResidual));
}

}  // namespace

Tensor wavenet(Tensor signal, int64_t classes) {
  Tensor x = point("input", signal, kResidual), skipped;
  for (int i = 0; i < kStacks * kLayers; ++i) {
    Scope scope(fmt::format("layers.{}", i), x);
    Tensor y = gated(x, int64_t{1} << i % kLayers);
    Tensor skip = point("skip", y, kSkip);
    skipped = skipped.valid() ? skipped + skip : skip;
    x = x + point("residual", y, kResidual);
  }
  return point("output2", relu(point("output1", relu(skipped), kSkip)), classes);
}

}  // namespace ag::zoo
