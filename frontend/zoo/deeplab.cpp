// DeepLab v3 (Chen, Papandreou, Schroff, Adam, "Rethinking atrous convolution for semantic image
// segmentation", 2017), named as in torchvision. Without the auxiliary classifier of training.
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/resnet.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/resize.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

constexpr int64_t kWidth = 256;

// Layers numbered from `first`: a convolution, its batch norm, relu.
Tensor conv_relu(Tensor x, int first, int64_t kernel, int64_t dilation = 1) {
  x = conv(
      std::to_string(first), x, kWidth,
      {.kernel = kernel, .padding = kernel / 2 * dilation, .dilation = dilation, .bias = false});
  return relu(batch_norm(std::to_string(first + 1), x));
}

Tensor resized_like(Tensor x, const Tensor& model) {
  return resize_linear(x, {model.extent(2), model.extent(3)});
}

// Atrous spatial pyramid pooling: the same features at several dilations, and their mean.
Tensor pyramid(Tensor x) {
  std::vector<Tensor> parts;
  auto add = [&](auto&& part) {
    parts.push_back(in_scope(fmt::format("convs.{}", parts.size()), x, part));
  };
  add([](Tensor y) { return conv_relu(y, 0, 1); });
  for (int64_t dilation : {12, 24, 36}) add([&](Tensor y) { return conv_relu(y, 0, 3, dilation); });
  add([](Tensor y) { return resized_like(conv_relu(global_avg_pool(y), 1, 1), y); });
  x = concat(parts, 1);
  x = in_scope("project", x, [](Tensor y) { return conv_relu(y, 0, 1); });
  return dropout(x, 0.5);
}

Tensor classifier(Tensor x, int64_t classes) {
  x = conv_relu(in_scope("0", x, pyramid), 1, 3);
  return conv("4", x, classes, {.kernel = 1});
}

}  // namespace

Tensor deeplabv3_resnet50(Tensor image, int64_t classes) {
  Tensor x = in_scope("backbone", image, dilated_resnet50_features);
  x = in_scope("classifier", x, [&](Tensor y) { return classifier(y, classes); });
  return resized_like(x, image);
}

}  // namespace ag::zoo
