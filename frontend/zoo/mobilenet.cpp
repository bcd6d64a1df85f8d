// MobileNet V1 (Howard et al., 2017) and V2 (Sandler, Howard, Zhu, Zhmoginov, Chen, 2018). V2 is
// named as in torchvision.
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/activation.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

ConvLayer spatial(int64_t stride) {
  return {.kernel = 3,
          .stride = stride,
          .padding = 1,
          .bias = false,
          .weight = kaiming_normal_fan_out()};
}

ConvLayer pointwise() { return {.kernel = 1, .bias = false, .weight = kaiming_normal_fan_out()}; }

// ---- V1 ----

Tensor separable_block(std::string_view name, Tensor x, int64_t width, int64_t stride) {
  Scope scope(name, x);
  x = relu(batch_norm("bn1", depthwise_conv("depthwise", x, spatial(stride))));
  return relu(batch_norm("bn2", conv("pointwise", x, width, pointwise())));
}

// ---- V2 ----

Tensor conv_bn_relu6(std::string_view name, Tensor x, int64_t width, ConvLayer options) {
  Scope scope(name, x);
  return relu6(batch_norm("1", conv("0", x, width, options)));
}

Tensor inverted_residual(Tensor x, int64_t width, int64_t stride, int64_t expansion) {
  Tensor y = x;
  const int64_t hidden = expansion * x.channels();
  int position = 0;
  Scope scope("conv", x);
  if (expansion != 1) y = conv_bn_relu6(std::to_string(position++), y, hidden, pointwise());
  ConvLayer depthwise = spatial(stride);
  depthwise.groups = hidden;
  y = conv_bn_relu6(std::to_string(position++), y, hidden, depthwise);
  y = conv(std::to_string(position++), y, width, pointwise());
  y = batch_norm(std::to_string(position), y);
  return stride == 1 && x.channels() == width ? x + y : y;
}

struct Stage {
  int64_t expansion, width, repeats, stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

Tensor v2_features(Tensor x) {
  x = conv_bn_relu6("0", x, 32, spatial(2));
  int position = 1;
  for (const Stage& stage : kStages) {
    for (int64_t i = 0; i < stage.repeats; ++i) {
      Scope scope(std::to_string(position++), x);
      x = inverted_residual(x, stage.width, i == 0 ? stage.stride : 1, stage.expansion);
    }
  }
  return conv_bn_relu6(std::to_string(position), x, 1280, pointwise());
}

}  // namespace

Tensor mobilenet_v1(Tensor image, int64_t classes) {
  struct Block {
    int64_t width, stride;
  };
  constexpr Block kBlocks[] = {{64, 1},  {128, 2},  {128, 1}, {256, 2}, {256, 1},
                               {512, 2}, {512, 1},  {512, 1}, {512, 1}, {512, 1},
                               {512, 1}, {1024, 2}, {1024, 1}};
  Tensor x = conv("conv1", image, 32, spatial(2));
  x = relu(batch_norm("bn1", x));
  for (size_t i = 0; i < std::size(kBlocks); ++i)
    x = separable_block(fmt::format("block{}", i + 1), x, kBlocks[i].width, kBlocks[i].stride);
  return linear("fc", flatten(global_avg_pool(x)), classes);
}

Tensor mobilenet_v2(Tensor image, int64_t classes) {
  Tensor x = dropout(flatten(global_avg_pool(in_scope("features", image, v2_features))), 0.2);
  return linear("classifier.1", x, classes, {.weight = normal(0.01)});
}

}  // namespace ag::zoo
