// ResNets for video (Tran, Wang, Torresani, Ray, LeCun, Paluri, "A closer look at spatiotemporal
// convolutions for action recognition", 2017), named as in torchvision. Videos are [batch,
// channels, frames, height, width].
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

Tensor conv_norm(std::string_view name, Tensor x, int64_t width, ConvLayer options) {
  Scope scope(name, x);
  options.bias = false;
  options.weight = kaiming_normal_fan_out();
  return batch_norm("1", conv("0", x, width, options));
}

Tensor basic_block(Tensor x, int64_t width, int64_t stride) {
  Tensor y = relu(conv_norm("conv1", x, width, {.kernel = 3, .stride = stride, .padding = 1}));
  y = conv_norm("conv2", y, width, {.kernel = 3, .padding = 1});
  if (stride != 1 || x.channels() != width)
    x = conv_norm("downsample", x, width, {.kernel = 1, .stride = stride});
  return relu(x + y);
}

}  // namespace

Tensor r3d_18(Tensor video, int64_t classes) {
  Tensor x = relu(conv_norm("stem", video, 64,
                            {.kernel = {3, 7, 7}, .stride = {1, 2, 2}, .padding = {1, 3, 3}}));
  for (int64_t stage = 0; stage < 4; ++stage) {
    for (int64_t i = 0; i < 2; ++i) {
      Scope scope(fmt::format("layer{}.{}", stage + 1, i), x);
      x = basic_block(x, 64 << stage, stage > 0 && i == 0 ? 2 : 1);
    }
  }
  return linear("fc", flatten(global_avg_pool(x)), classes, {.weight = normal(0.01)});
}

}  // namespace ag::zoo
