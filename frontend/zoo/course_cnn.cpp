// The course's networks for CIFAR-10: plain blocks of growing width, then residual stages.
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

Tensor plain_cnn(Tensor x, std::span<const int64_t> widths, int64_t classes) {
  for (size_t i = 0; i < widths.size(); ++i) {
    Scope block(fmt::format("block{}", i + 1), x);
    x = conv("conv", x, widths[i], {.kernel = 3, .padding = 1, .bias = false});
    x = max_pool(relu(batch_norm("bn", x)), {.kernel = 2});
  }
  return linear("fc", dropout(flatten(global_avg_pool(x)), 0.5), classes);
}

Tensor residual_block(Tensor x, int64_t width, int64_t stride) {
  Tensor y = conv("conv1", x, width, {.kernel = 3, .stride = stride, .padding = 1, .bias = false});
  y = relu(batch_norm("bn1", y));
  y = conv("conv2", y, width, {.kernel = 3, .padding = 1, .bias = false});
  y = batch_norm("bn2", y);
  if (stride != 1 || x.channels() != width) {
    x = conv("downsample.0", x, width, {.kernel = 1, .stride = stride, .bias = false});
    x = batch_norm("downsample.1", x);
  }
  return relu(x + y);
}

}  // namespace

Tensor simple_cnn(Tensor image, int64_t classes) {
  constexpr int64_t kWidths[] = {32, 64, 128};
  return plain_cnn(image, kWidths, classes);
}

Tensor deeper_cnn(Tensor image, int64_t classes) {
  constexpr int64_t kWidths[] = {32, 64, 128, 256};
  return plain_cnn(image, kWidths, classes);
}

Tensor modern_cnn(Tensor image, int64_t classes) {
  Tensor x = conv("conv1", image, 64, {.kernel = 3, .padding = 1, .bias = false});
  x = relu(batch_norm("bn1", x));
  for (int64_t stage = 0; stage < 3; ++stage) {
    for (int64_t block = 0; block < 2; ++block) {
      Scope scope(fmt::format("layer{}.{}", stage + 1, block), x);
      x = residual_block(x, 64 << stage, stage > 0 && block == 0 ? 2 : 1);
    }
  }
  return linear("fc", flatten(global_avg_pool(x)), classes);
}

}  // namespace ag::zoo
