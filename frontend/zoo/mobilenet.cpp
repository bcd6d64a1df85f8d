// MobileNet V1 (Howard et al., 2017) and V2 (Sandler, Howard, Zhu, Zhmoginov, Chen, 2018), named as
// in timm (V1) and torchvision (V2).
#include <fmt/format.h>

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

Tensor separable_block(Tensor x, int64_t width, int64_t stride) {
  x = relu6(batch_norm("bn1", depthwise_conv("conv_dw", x, spatial(stride))));
  return relu6(batch_norm("bn2", conv("conv_pw", x, width, pointwise())));
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
  struct Stage {
    int64_t width, repeats;
  };
  constexpr Stage kStages[] = {{64, 1}, {128, 2}, {256, 2}, {512, 6}, {1024, 2}};
  Tensor x = relu6(batch_norm("bn1", conv("conv_stem", image, 32, spatial(2))));
  for (size_t stage = 0; stage < std::size(kStages); ++stage) {
    for (int64_t i = 0; i < kStages[stage].repeats; ++i) {
      Scope scope(fmt::format("blocks.{}.{}", stage, i), x);
      x = separable_block(x, kStages[stage].width, stage > 0 && i == 0 ? 2 : 1);
    }
  }
  return linear("classifier", flatten(global_avg_pool(x)), classes);
}

Tensor mobilenet_v2(Tensor image, int64_t classes) {
  Tensor x = dropout(flatten(global_avg_pool(in_scope("features", image, v2_features))), 0.2);
  return linear("classifier.1", x, classes, {.weight = normal(0.01)});
}

}  // namespace ag::zoo
