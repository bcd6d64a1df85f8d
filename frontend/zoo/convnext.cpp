// ConvNeXt (Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", 2022), named as
// in torchvision.
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/activation.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

constexpr LayerNormLayer kNorm{.eps = 1e-6};

Tensor channels_last(Tensor x) { return transpose(x, {0, 2, 3, 1}); }
Tensor channels_first(Tensor x) { return transpose(x, {0, 3, 1, 2}); }

// Layer norm of each position's channels.
Tensor channel_norm(std::string_view name, Tensor x) {
  return channels_first(layer_norm(name, channels_last(x), kNorm));
}

Tensor block(Tensor x, double drop_rate) {
  const int64_t width = x.channels();
  Tensor y = depthwise_conv("block.0", x, {.kernel = 7, .padding = 3, .weight = normal(0.02)});
  y = layer_norm("block.2", channels_last(y), kNorm);
  y = gelu(linear("block.3", y, 4 * width, {.weight = normal(0.02)}));
  y = channels_first(linear("block.5", y, width, {.weight = normal(0.02)}));
  Tensor scale =
      BuildContext::of(x, "layer_scale")
          .parameter("layer_scale", x.type().with_shape({width, 1, 1}), constant_value(1e-6));
  return x + stochastic_depth(scale * y, drop_rate);
}

struct Stage {
  int64_t width, repeats;
};
constexpr Stage kTiny[] = {{96, 3}, {192, 3}, {384, 9}, {768, 3}};

// The stem and the layers between stages: strides as wide as their kernels.
Tensor patches(std::string_view name, Tensor x, int64_t width, int64_t extent) {
  return conv(name, x, width, {.kernel = extent, .stride = extent, .weight = normal(0.02)});
}

Tensor features(Tensor x, std::span<const Stage> stages, double drop_rate) {
  Scope scope("features", x);
  double block_number = 0, blocks = 0;
  for (const Stage& stage : stages) blocks += static_cast<double>(stage.repeats);
  x = channel_norm("0.1", patches("0.0", x, stages[0].width, 4));
  for (size_t i = 0; i < stages.size(); ++i) {
    if (i > 0) {
      Scope between(std::to_string(2 * i), x);
      x = patches("1", channel_norm("0", x), stages[i].width, 2);
    }
    for (int64_t repeat = 0; repeat < stages[i].repeats; ++repeat) {
      Scope name(fmt::format("{}.{}", 2 * i + 1, repeat), x);
      x = block(x, drop_rate * block_number++ / (blocks - 1));
    }
  }
  return x;
}

}  // namespace

Tensor convnext_tiny(Tensor image, int64_t classes) {
  Tensor x = global_avg_pool(features(image, kTiny, 0.1));
  Scope scope("classifier", x);
  x = flatten(channel_norm("0", x));
  return linear("2", x, classes, {.weight = normal(0.02)});
}

}  // namespace ag::zoo
