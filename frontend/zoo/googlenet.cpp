// GoogLeNet (Szegedy et al., "Going deeper with convolutions", 2014) with batch norm, as in
// torchvision: its 5x5 branch has a 3x3 kernel. Without the auxiliary classifiers of training.
//
// torchvision's weights expect images of mean 0.5 and deviation 0.5 per channel: the network there
// is made with transform_input = true, which turns ImageNet's normalisation into that one.
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

Tensor conv_relu(std::string_view name, Tensor x, int64_t width, ConvLayer options) {
  Scope scope(name, x);
  options.bias = false;
  options.weight = normal(0.01);
  return relu(batch_norm("bn", conv("conv", x, width, options), {.eps = 1e-3}));
}

// Widths of an inception block; *_in are those of the 1x1 convolutions in front.
struct Inception {
  const char* name;
  int64_t branch1, branch2_in, branch2, branch3_in, branch3, branch4;
};

Tensor inception(Tensor x, const Inception& widths) {
  Scope scope(widths.name, x);
  const ConvLayer point{.kernel = 1}, spatial{.kernel = 3, .padding = 1};
  Tensor one = conv_relu("branch1", x, widths.branch1, point);
  Tensor two = conv_relu("branch2.0", x, widths.branch2_in, point);
  two = conv_relu("branch2.1", two, widths.branch2, spatial);
  Tensor three = conv_relu("branch3.0", x, widths.branch3_in, point);
  three = conv_relu("branch3.1", three, widths.branch3, spatial);
  Tensor four = max_pool(x, {.kernel = 3, .stride = 1, .padding = 1});
  four = conv_relu("branch4.1", four, widths.branch4, point);
  return concat({one, two, three, four}, 1);
}

constexpr Inception kStage3[] = {{"inception3a", 64, 96, 128, 16, 32, 32},
                                 {"inception3b", 128, 128, 192, 32, 96, 64}};
constexpr Inception kStage4[] = {{"inception4a", 192, 96, 208, 16, 48, 64},
                                 {"inception4b", 160, 112, 224, 24, 64, 64},
                                 {"inception4c", 128, 128, 256, 24, 64, 64},
                                 {"inception4d", 112, 144, 288, 32, 64, 64},
                                 {"inception4e", 256, 160, 320, 32, 128, 128}};
constexpr Inception kStage5[] = {{"inception5a", 256, 160, 320, 32, 128, 128},
                                 {"inception5b", 384, 192, 384, 48, 128, 128}};

Tensor stage(Tensor x, std::span<const Inception> blocks) {
  for (const Inception& block : blocks) x = inception(x, block);
  return x;
}

}  // namespace

Tensor googlenet(Tensor image, int64_t classes) {
  const PoolLayer pool{.kernel = 3, .stride = 2, .ceil_mode = true};
  Tensor x = conv_relu("conv1", image, 64, {.kernel = 7, .stride = 2, .padding = 3});
  x = conv_relu("conv2", max_pool(x, pool), 64, {.kernel = 1});
  x = conv_relu("conv3", x, 192, {.kernel = 3, .padding = 1});
  x = stage(max_pool(x, pool), kStage3);
  x = stage(max_pool(x, pool), kStage4);
  x = stage(max_pool(x, {.kernel = 2, .ceil_mode = true}), kStage5);
  return linear("fc", dropout(flatten(global_avg_pool(x)), 0.2), classes, {.weight = normal(0.01)});
}

}  // namespace ag::zoo
