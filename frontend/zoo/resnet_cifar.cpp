// ResNets for CIFAR with parameter-free shortcuts, option A (He, Zhang, Ren, Sun, 2015, section
// 4.2). Names as in akamaster/pytorch_resnet_cifar10.
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

// Every other row and column; the new channels are zero, half in front and half behind.
Tensor shortcut(Tensor x, int64_t width) {
  const int64_t added = width - x.channels();
  x = slice(x, {0, 0, 0, 0}, x.shape(), {1, 1, 2, 2});
  return pad(x, {0, added / 2, 0, 0}, {0, added - added / 2, 0, 0});
}

Tensor basic_block(Tensor x, int64_t width, int64_t stride) {
  const Initializer he = kaiming_normal();
  Tensor y = conv("conv1", x, width,
                  {.kernel = 3, .stride = stride, .padding = 1, .bias = false, .weight = he});
  y = relu(batch_norm("bn1", y));
  y = conv("conv2", y, width, {.kernel = 3, .padding = 1, .bias = false, .weight = he});
  y = batch_norm("bn2", y);
  return relu(y + (stride == 1 ? x : shortcut(x, width)));
}

// 6 * blocks + 2 layers.
Tensor resnet(Tensor x, int64_t blocks, int64_t classes) {
  const Initializer he = kaiming_normal();
  x = conv("conv1", x, 16, {.kernel = 3, .padding = 1, .bias = false, .weight = he});
  x = relu(batch_norm("bn1", x));
  for (int64_t stage = 0; stage < 3; ++stage) {
    for (int64_t block = 0; block < blocks; ++block) {
      Scope scope(fmt::format("layer{}.{}", stage + 1, block), x);
      x = basic_block(x, 16 << stage, stage > 0 && block == 0 ? 2 : 1);
    }
  }
  return linear("linear", flatten(global_avg_pool(x)), classes, {.weight = he});
}

}  // namespace

Tensor resnet20_cifar(Tensor image, int64_t classes) { return resnet(image, 3, classes); }
Tensor resnet32_cifar(Tensor image, int64_t classes) { return resnet(image, 5, classes); }
Tensor resnet44_cifar(Tensor image, int64_t classes) { return resnet(image, 7, classes); }
Tensor resnet56_cifar(Tensor image, int64_t classes) { return resnet(image, 9, classes); }
Tensor resnet110_cifar(Tensor image, int64_t classes) { return resnet(image, 18, classes); }

}  // namespace ag::zoo
