// ResNets for ImageNet (He, Zhang, Ren, Sun, "Deep residual learning", 2015); the bottleneck's
// stride is on its 3x3 convolution, as in torchvision.
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

// Convolution without bias, padded to keep the extent at stride 1, and its batch norm.
Tensor conv_bn(std::string_view conv_name, std::string_view norm_name, Tensor x, int64_t width,
               int64_t kernel, int64_t stride) {
  x = conv(conv_name, x, width,
           {.kernel = kernel,
            .stride = stride,
            .padding = kernel / 2,
            .bias = false,
            .weight = kaiming_normal_fan_out()});
  return batch_norm(norm_name, x);
}

Tensor shortcut(Tensor x, int64_t width, int64_t stride) {
  if (stride == 1 && x.channels() == width) return x;
  return conv_bn("downsample.0", "downsample.1", x, width, 1, stride);
}

Tensor basic_block(Tensor x, int64_t width, int64_t stride) {
  Tensor y = relu(conv_bn("conv1", "bn1", x, width, 3, stride));
  y = conv_bn("conv2", "bn2", y, width, 3, 1);
  return relu(y + shortcut(x, width, stride));
}

Tensor bottleneck(Tensor x, int64_t width, int64_t stride) {
  Tensor y = relu(conv_bn("conv1", "bn1", x, width, 1, 1));
  y = relu(conv_bn("conv2", "bn2", y, width, 3, stride));
  y = conv_bn("conv3", "bn3", y, 4 * width, 1, 1);
  return relu(y + shortcut(x, 4 * width, stride));
}

using Block = Tensor (*)(Tensor x, int64_t width, int64_t stride);

Tensor resnet(Tensor x, Block block, std::array<int64_t, 4> blocks, int64_t classes) {
  x = relu(conv_bn("conv1", "bn1", x, 64, 7, 2));
  x = max_pool(x, {.kernel = 3, .stride = 2, .padding = 1});
  for (int64_t stage = 0; stage < 4; ++stage) {
    for (int64_t i = 0; i < blocks[stage]; ++i) {
      Scope scope(fmt::format("layer{}.{}", stage + 1, i), x);
      x = block(x, 64 << stage, stage > 0 && i == 0 ? 2 : 1);
    }
  }
  return linear("fc", flatten(global_avg_pool(x)), classes);
}

}  // namespace

Tensor resnet18(Tensor image, int64_t classes) {
  return resnet(image, basic_block, {2, 2, 2, 2}, classes);
}
Tensor resnet34(Tensor image, int64_t classes) {
  return resnet(image, basic_block, {3, 4, 6, 3}, classes);
}
Tensor resnet50(Tensor image, int64_t classes) {
  return resnet(image, bottleneck, {3, 4, 6, 3}, classes);
}
Tensor resnet101(Tensor image, int64_t classes) {
  return resnet(image, bottleneck, {3, 4, 23, 3}, classes);
}
Tensor resnet152(Tensor image, int64_t classes) {
  return resnet(image, bottleneck, {3, 8, 36, 3}, classes);
}

}  // namespace ag::zoo
