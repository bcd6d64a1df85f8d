// ResNets for ImageNet (He, Zhang, Ren, Sun, "Deep residual learning", 2015) and ResNeXt (Xie,
// Girshick, Dollár, Tu, He, "Aggregated residual transformations", 2016); the bottleneck's stride
// is on its 3x3 convolution, as in torchvision.
#include "frontend/zoo/resnet.h"

#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

// Convolution without bias, padded to keep the extent at stride 1, and its batch norm.
Tensor conv_bn(std::string_view conv_name, std::string_view norm_name, Tensor x, int64_t width,
               int64_t kernel, int64_t stride, int64_t dilation = 1, int64_t groups = 1) {
  x = conv(conv_name, x, width,
           {.kernel = kernel,
            .stride = stride,
            .padding = kernel / 2 * dilation,
            .dilation = dilation,
            .groups = groups,
            .bias = false,
            .weight = kaiming_normal_fan_out()});
  return batch_norm(norm_name, x);
}

Tensor shortcut(Tensor x, int64_t width, int64_t stride) {
  if (stride == 1 && x.channels() == width) return x;
  return conv_bn("downsample.0", "downsample.1", x, width, 1, stride);
}

struct Stride {
  int64_t stride = 1, dilation = 1;  // of the block's 3x3 convolution that has the stride
};

Tensor basic_block(Tensor x, int64_t width, Stride step) {
  Tensor y = relu(conv_bn("conv1", "bn1", x, width, 3, step.stride));
  y = conv_bn("conv2", "bn2", y, width, 3, 1);
  return relu(y + shortcut(x, width, step.stride));
}

// The 3x3 convolution has `inner` channels in `groups`.
Tensor bottleneck(Tensor x, int64_t width, Stride step, int64_t inner, int64_t groups) {
  Tensor y = relu(conv_bn("conv1", "bn1", x, inner, 1, 1));
  y = relu(conv_bn("conv2", "bn2", y, inner, 3, step.stride, step.dilation, groups));
  y = conv_bn("conv3", "bn3", y, 4 * width, 1, 1);
  return relu(y + shortcut(x, 4 * width, step.stride));
}

Tensor bottleneck_block(Tensor x, int64_t width, Stride step) {
  return bottleneck(x, width, step, width, 1);
}

Tensor resnext_block(Tensor x, int64_t width, Stride step) {
  return bottleneck(x, width, step, 2 * width, 32);
}

using Block = Tensor (*)(Tensor x, int64_t width, Stride step);
using Blocks = std::array<int64_t, 4>;

Tensor stem(Tensor image) {
  return max_pool(relu(conv_bn("conv1", "bn1", image, 64, 7, 2)),
                  {.kernel = 3, .stride = 2, .padding = 1});
}

// For images of 32 x 32, which are left at their size.
Tensor cifar_stem(Tensor image) { return relu(conv_bn("conv1", "bn1", image, 64, 3, 1)); }

// The four stages behind a stem. A stage that dilates has no stride; its first block keeps the
// dilation of the stage before.
Tensor stages(Tensor x, Block block, Blocks blocks, std::array<bool, 4> dilates = {}) {
  int64_t dilation = 1;
  for (int64_t stage = 0; stage < 4; ++stage) {
    Stride first{stage > 0 && !dilates[stage] ? 2 : 1, dilation};
    if (dilates[stage]) dilation *= 2;
    for (int64_t i = 0; i < blocks[stage]; ++i) {
      Scope scope(fmt::format("layer{}.{}", stage + 1, i), x);
      x = block(x, 64 << stage, i == 0 ? first : Stride{1, dilation});
    }
  }
  return x;
}

Tensor classifier(Tensor x, int64_t classes) {
  return linear("fc", flatten(global_avg_pool(x)), classes);
}

Tensor resnet(Tensor image, Block block, Blocks blocks, int64_t classes) {
  return classifier(stages(stem(image), block, blocks), classes);
}

}  // namespace

Tensor resnet18(Tensor image, int64_t classes) {
  return resnet(image, basic_block, {2, 2, 2, 2}, classes);
}
Tensor resnet34(Tensor image, int64_t classes) {
  return resnet(image, basic_block, {3, 4, 6, 3}, classes);
}
Tensor resnet50(Tensor image, int64_t classes) {
  return resnet(image, bottleneck_block, {3, 4, 6, 3}, classes);
}
Tensor resnet101(Tensor image, int64_t classes) {
  return resnet(image, bottleneck_block, {3, 4, 23, 3}, classes);
}
Tensor resnet152(Tensor image, int64_t classes) {
  return resnet(image, bottleneck_block, {3, 8, 36, 3}, classes);
}

Tensor resnet18_cifar(Tensor image, int64_t classes) {
  return classifier(stages(cifar_stem(image), basic_block, {2, 2, 2, 2}), classes);
}

Tensor resnext50_32x4d(Tensor image, int64_t classes) {
  return resnet(image, resnext_block, {3, 4, 6, 3}, classes);
}

Tensor dilated_resnet50_features(Tensor image) {
  return stages(stem(image), bottleneck_block, {3, 4, 6, 3}, {false, false, true, true});
}

}  // namespace ag::zoo
