// RegNetY (Radosavovic, Kosaraju, Girshick, He, Dollár, "Designing network design spaces", 2020),
// named as in torchvision.
#include <fmt/format.h>

#include "frontend/zoo/blocks.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

struct Stage {
  int64_t width, repeats;
};

// The published rule for 16 blocks, w0 = 48, wa = 27.89, wm = 2.09.
constexpr Stage kStages400MF[] = {{48, 1}, {104, 3}, {208, 6}, {440, 6}};

Tensor bottleneck(Tensor x, int64_t width, int64_t stride, int64_t group_width) {
  Tensor shortcut = x;
  if (stride != 1 || x.channels() != width)
    shortcut = conv_norm("proj", x, width, 1, {.stride = stride});
  Scope scope("f", x);
  Tensor y = relu(conv_norm("a", x, width, 1));
  y = relu(conv_norm("b", y, width, 3, {.stride = stride, .groups = width / group_width}));
  y = squeeze_excitation("se", y, x.channels() / 4, relu, sigmoid);
  return relu(shortcut + conv_norm("c", y, width, 1));
}

Tensor regnet_y(Tensor image, std::span<const Stage> stages, int64_t group_width, int64_t classes) {
  Tensor x = relu(conv_norm("stem", image, 32, 3, {.stride = 2}));
  for (size_t i = 0; i < stages.size(); ++i) {
    for (int64_t repeat = 0; repeat < stages[i].repeats; ++repeat) {
      Scope scope(fmt::format("trunk_output.block{0}.block{0}-{1}", i + 1, repeat), x);
      x = bottleneck(x, stages[i].width, repeat == 0 ? 2 : 1, group_width);
    }
  }
  return linear("fc", flatten(global_avg_pool(x)), classes, {.weight = normal(0.01)});
}

}  // namespace

Tensor regnet_y_400mf(Tensor image, int64_t classes) {
  return regnet_y(image, kStages400MF, 8, classes);
}

}  // namespace ag::zoo
