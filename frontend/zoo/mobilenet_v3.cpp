// MobileNet V3 (Howard et al., "Searching for MobileNetV3", 2019), named as in torchvision.
#include <fmt/format.h>

#include "frontend/zoo/blocks.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/activation.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

constexpr BatchNormLayer kNorm{.momentum = 0.01, .eps = 1e-3};

struct Block {
  int64_t kernel, expanded, width;
  bool squeezes;
  Activation activation;
  int64_t stride;
};

const Block kLarge[] = {{3, 16, 16, false, relu, 1},        {3, 64, 24, false, relu, 2},
                        {3, 72, 24, false, relu, 1},        {5, 72, 40, true, relu, 2},
                        {5, 120, 40, true, relu, 1},        {5, 120, 40, true, relu, 1},
                        {3, 240, 80, false, hard_swish, 2}, {3, 200, 80, false, hard_swish, 1},
                        {3, 184, 80, false, hard_swish, 1}, {3, 184, 80, false, hard_swish, 1},
                        {3, 480, 112, true, hard_swish, 1}, {3, 672, 112, true, hard_swish, 1},
                        {5, 672, 160, true, hard_swish, 2}, {5, 960, 160, true, hard_swish, 1},
                        {5, 960, 160, true, hard_swish, 1}};

const Block kSmall[] = {{3, 16, 16, true, relu, 2},        {3, 72, 24, false, relu, 2},
                        {3, 88, 24, false, relu, 1},       {5, 96, 40, true, hard_swish, 2},
                        {5, 240, 40, true, hard_swish, 1}, {5, 240, 40, true, hard_swish, 1},
                        {5, 120, 48, true, hard_swish, 1}, {5, 144, 48, true, hard_swish, 1},
                        {5, 288, 96, true, hard_swish, 2}, {5, 576, 96, true, hard_swish, 1},
                        {5, 576, 96, true, hard_swish, 1}};

// A quarter of the width, rounded to a multiple of 8, never below 90 % of it.
int64_t squeezed_width(int64_t expanded) {
  const int64_t quarter = expanded / 4;
  const int64_t rounded = std::max<int64_t>(8, (quarter + 4) / 8 * 8);
  return 10 * rounded < 9 * quarter ? rounded + 8 : rounded;
}

Tensor inverted_residual(Tensor x, const Block& block) {
  Tensor y = x;
  int position = 0;
  auto next = [&] { return fmt::format("block.{}", position++); };
  if (block.expanded != x.channels())
    y = block.activation(conv_norm(next(), y, block.expanded, 1, {}, kNorm));
  ConvLayer depthwise{.stride = block.stride, .groups = block.expanded};
  y = block.activation(conv_norm(next(), y, block.expanded, block.kernel, depthwise, kNorm));
  if (block.squeezes)
    y = squeeze_excitation(next(), y, squeezed_width(block.expanded), relu, hard_sigmoid);
  y = conv_norm(next(), y, block.width, 1, {}, kNorm);
  return block.stride == 1 && x.channels() == block.width ? x + y : y;
}

Tensor features(Tensor x, std::span<const Block> blocks) {
  Scope scope("features", x);
  x = hard_swish(conv_norm("0", x, 16, 3, {.stride = 2}, kNorm));
  int position = 1;
  for (const Block& block : blocks) {
    Scope name(std::to_string(position++), x);
    x = inverted_residual(x, block);
  }
  return hard_swish(conv_norm(std::to_string(position), x, 6 * x.channels(), 1, {}, kNorm));
}

Tensor mobilenet_v3(Tensor image, std::span<const Block> blocks, int64_t hidden, int64_t classes) {
  Tensor x = flatten(global_avg_pool(features(image, blocks)));
  Scope scope("classifier", x);
  x = hard_swish(linear("0", x, hidden, {.weight = normal(0.01)}));
  return linear("3", dropout(x, 0.2), classes, {.weight = normal(0.01)});
}

}  // namespace

Tensor mobilenet_v3_large(Tensor image, int64_t classes) {
  return mobilenet_v3(image, kLarge, 1280, classes);
}
Tensor mobilenet_v3_small(Tensor image, int64_t classes) {
  return mobilenet_v3(image, kSmall, 1024, classes);
}

}  // namespace ag::zoo
