// DenseNet-BC (Huang, Liu, van der Maaten, Weinberger, 2016), named as in torchvision.
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

constexpr int64_t kGrowth = 32, kBottleneck = 4;

Tensor plain_conv(std::string_view name, Tensor x, int64_t width, int64_t kernel) {
  return conv(name, x, width,
              {.kernel = kernel, .padding = kernel / 2, .bias = false, .weight = kaiming_normal()});
}

// The new features of one layer.
Tensor dense_layer(Tensor x) {
  Tensor y = plain_conv("conv1", relu(batch_norm("norm1", x)), kBottleneck * kGrowth, 1);
  return plain_conv("conv2", relu(batch_norm("norm2", y)), kGrowth, 3);
}

Tensor transition(Tensor x) {
  x = plain_conv("conv", relu(batch_norm("norm", x)), x.channels() / 2, 1);
  return avg_pool(x, {.kernel = 2});
}

Tensor features(Tensor x, const std::array<int, 4>& layers) {
  Scope scope("features", x);
  x = conv("conv0", x, 64,
           {.kernel = 7, .stride = 2, .padding = 3, .bias = false, .weight = kaiming_normal()});
  x = max_pool(relu(batch_norm("norm0", x)), {.kernel = 3, .stride = 2, .padding = 1});
  for (size_t block = 0; block < layers.size(); ++block) {
    for (int layer = 0; layer < layers[block]; ++layer) {
      Scope name(fmt::format("denseblock{}.denselayer{}", block + 1, layer + 1), x);
      x = concat({x, dense_layer(x)}, 1);
    }
    if (block + 1 < layers.size())
      x = in_scope(fmt::format("transition{}", block + 1), x, transition);
  }
  return relu(batch_norm("norm5", x));
}

Tensor densenet(Tensor image, const std::array<int, 4>& layers, int64_t classes) {
  return linear("classifier", flatten(global_avg_pool(features(image, layers))), classes);
}

}  // namespace

Tensor densenet121(Tensor image, int64_t classes) {
  return densenet(image, {6, 12, 24, 16}, classes);
}
Tensor densenet169(Tensor image, int64_t classes) {
  return densenet(image, {6, 12, 32, 32}, classes);
}
Tensor densenet201(Tensor image, int64_t classes) {
  return densenet(image, {6, 12, 48, 32}, classes);
}

}  // namespace ag::zoo
