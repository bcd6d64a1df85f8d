// EfficientNet-B0 (Tan, Le, "EfficientNet: rethinking model scaling for convolutional neural
// networks", 2019), named as in torchvision.
#include <fmt/format.h>

#include "frontend/zoo/blocks.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/activation.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

struct Stage {
  int64_t expansion, kernel, stride, width, repeats;
};
constexpr Stage kStages[] = {{1, 3, 1, 16, 1}, {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2},
                             {6, 3, 2, 80, 3}, {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4},
                             {6, 3, 1, 320, 1}};
constexpr int64_t kBlocks = 16;
constexpr double kDropRate = 0.2;  // of the classifier, and of a block behind the last one

Tensor inverted_residual(Tensor x, const Stage& stage, int64_t stride, double drop_rate) {
  Tensor y = x;
  const int64_t expanded = stage.expansion * x.channels();
  int position = 0;
  auto next = [&] { return fmt::format("block.{}", position++); };
  if (stage.expansion != 1) y = silu(conv_norm(next(), y, expanded, 1));
  y = silu(conv_norm(next(), y, expanded, stage.kernel, {.stride = stride, .groups = expanded}));
  y = squeeze_excitation(next(), y, x.channels() / 4, silu, sigmoid);
  y = conv_norm(next(), y, stage.width, 1);
  return stride == 1 && x.channels() == stage.width ? x + stochastic_depth(y, drop_rate) : y;
}

Tensor features(Tensor x) {
  x = silu(conv_norm("0", x, 32, 3, {.stride = 2}));
  int64_t block = 0;
  for (size_t i = 0; i < std::size(kStages); ++i) {
    for (int64_t repeat = 0; repeat < kStages[i].repeats; ++repeat) {
      Scope scope(fmt::format("{}.{}", i + 1, repeat), x);
      const double drop_rate = kDropRate * static_cast<double>(block++) / kBlocks;
      x = inverted_residual(x, kStages[i], repeat == 0 ? kStages[i].stride : 1, drop_rate);
    }
  }
  return silu(conv_norm("8", x, 1280, 1));
}

}  // namespace

Tensor efficientnet_b0(Tensor image, int64_t classes) {
  Tensor x = flatten(global_avg_pool(in_scope("features", image, features)));
  return linear("classifier.1", dropout(x, kDropRate), classes,
                {.weight = uniform(1 / std::sqrt(static_cast<double>(classes)))});
}

}  // namespace ag::zoo
