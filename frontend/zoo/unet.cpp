// U-Net (Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image
// segmentation", 2015), with padded convolutions and batch norm. Extents are multiples of 16.
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

constexpr int64_t kBase = 64;
constexpr int kDepth = 4;

Tensor twice(std::string_view name, Tensor x, int64_t width) {
  Scope scope(name, x);
  const ConvLayer filter{
      .kernel = 3, .padding = 1, .bias = false, .weight = kaiming_normal_fan_out()};
  x = relu(batch_norm("1", conv("0", x, width, filter)));
  return relu(batch_norm("4", conv("3", x, width, filter)));
}

}  // namespace

Tensor unet(Tensor image, int64_t classes) {
  std::vector<Tensor> levels{twice("encoder.0", image, kBase)};
  for (int i = 1; i <= kDepth; ++i) {
    Tensor x = max_pool(levels.back(), {.kernel = 2});
    levels.push_back(twice(fmt::format("encoder.{}", i), x, kBase << i));
  }
  Tensor x = levels[kDepth];
  for (int i = 0; i < kDepth; ++i) {
    const int64_t width = x.channels() / 2;
    x = conv_transpose(fmt::format("upsample.{}", i), x, width, {.kernel = 2, .stride = 2});
    x = twice(fmt::format("decoder.{}", i), concat({levels[kDepth - 1 - i], x}, 1), width);
  }
  return conv("head", x, classes, {.kernel = 1});
}

}  // namespace ag::zoo
