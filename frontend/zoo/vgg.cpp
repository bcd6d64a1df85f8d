// VGG (Simonyan and Zisserman, "Very deep convolutional networks", 2014), with and without batch
// norm. Layers are numbered as in torchvision's nn.Sequential, where activations and pools count.
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

constexpr int64_t kWidths[] = {64, 128, 256, 512, 512};
using Depths = std::array<int, 5>;  // convolutions of each stage

Tensor features(Tensor x, const Depths& depths, bool norm) {
  Scope scope("features", x);
  int position = 0;
  for (size_t stage = 0; stage < depths.size(); ++stage) {
    for (int i = 0; i < depths[stage]; ++i) {
      x = conv(std::to_string(position++), x, kWidths[stage],
               {.kernel = 3, .padding = 1, .weight = kaiming_normal_fan_out()});
      if (norm) x = batch_norm(std::to_string(position++), x);
      x = relu(x);
      ++position;
    }
    x = max_pool(x, {.kernel = 2});
    ++position;
  }
  return x;
}

Tensor vgg(Tensor image, const Depths& depths, bool norm, int64_t classes) {
  Tensor x = flatten(adaptive_avg_pool(features(image, depths, norm), 7));
  Scope scope("classifier", x);
  x = dropout(relu(linear("0", x, 4096, {.weight = normal(0.01)})), 0.5);
  x = dropout(relu(linear("3", x, 4096, {.weight = normal(0.01)})), 0.5);
  return linear("6", x, classes, {.weight = normal(0.01)});
}

constexpr Depths k11 = {1, 1, 2, 2, 2}, k13 = {2, 2, 2, 2, 2}, k16 = {2, 2, 3, 3, 3},
                 k19 = {2, 2, 4, 4, 4};

}  // namespace

Tensor vgg11(Tensor image, int64_t classes) { return vgg(image, k11, false, classes); }
Tensor vgg13(Tensor image, int64_t classes) { return vgg(image, k13, false, classes); }
Tensor vgg16(Tensor image, int64_t classes) { return vgg(image, k16, false, classes); }
Tensor vgg19(Tensor image, int64_t classes) { return vgg(image, k19, false, classes); }
Tensor vgg11_bn(Tensor image, int64_t classes) { return vgg(image, k11, true, classes); }
Tensor vgg13_bn(Tensor image, int64_t classes) { return vgg(image, k13, true, classes); }
Tensor vgg16_bn(Tensor image, int64_t classes) { return vgg(image, k16, true, classes); }
Tensor vgg19_bn(Tensor image, int64_t classes) { return vgg(image, k19, true, classes); }

}  // namespace ag::zoo
