// NFNet without normalisation layers (Brock, De, Smith, Simonyan, "High-performance large-scale
// image recognition without normalization", 2021), in timm's light variant L0 and by its names.
#include <fmt/format.h>

#include "frontend/layer.h"
#include "frontend/zoo/blocks.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/activation.h"
#include "ir/ops/conv.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

constexpr double kAlpha = 0.2;   // of a residual branch
constexpr double kGateGain = 2;  // makes up for the gates of squeeze-and-excitation
constexpr double kSiluGain = 1.7881293296813965;  // keeps the variance of silu of normal numbers
constexpr double kEpsilon = 1e-5;
constexpr int64_t kGroupWidth = 64;

// Filters of mean 0 and variance 1 / fan-in, times silu's gain and a learned gain (Brock, De,
// Smith, "Characterizing signal propagation", 2021).
Tensor standardised(Tensor weight, Tensor gain) {
  std::vector<int> axes{1, 2, 3};
  const Shape rows{weight.extent(0), 1, 1, 1};
  Tensor centred = weight - reshape(reduce_mean(weight, axes), rows);
  Tensor variance = reshape(reduce_mean(centred * centred, axes), rows);
  const double fan_in = static_cast<double>(weight.type().count() / weight.extent(0));
  return centred * (gain * rsqrt(variance + kEpsilon) * (kSiluGain / std::sqrt(fan_in)));
}

struct Filter {
  int64_t kernel = 1, stride = 1, groups = 1;
};

// Convolution with standardised filters, padded to keep the extents at stride 1. Parameters:
// weight, bias, gain [width, 1, 1, 1].
Tensor scaled_conv(std::string_view name, Operand x, int64_t width, Filter filter = {}) {
  Layer layer("scaled_conv", name, x);
  const int64_t kernel = filter.kernel, inputs = x.tensor.channels() / filter.groups;
  const TensorType& type = x.tensor.type();
  BuildContext& context = layer.context();
  Tensor weight = context.parameter("weight", type.with_shape({width, inputs, kernel, kernel}),
                                    kaiming_normal(1));
  Tensor bias = context.parameter("bias", type.with_shape({width}), zeros());
  Tensor gain = context.parameter("gain", type.with_shape({width, 1, 1, 1}), ones());
  Tensor y = conv(x, standardised(weight, gain),
                  {.stride = {filter.stride, filter.stride},
                   .padding = Integers(4, kernel / 2),
                   .groups = filter.groups});
  return y + broadcast(bias, y.shape(), {1});
}

struct Stage {
  int64_t width, repeats;
};
constexpr Stage kStages[] = {{256, 1}, {512, 2}, {1536, 6}, {1536, 3}};

// `variance` is what x is expected to have.
Tensor block(Tensor x, int64_t width, int64_t stride, double variance) {
  Tensor y = silu(x) * (1 / std::sqrt(variance));
  if (x.channels() != width || stride != 1) {
    x = stride == 1 ? y : avg_pool(y, {.kernel = 2, .ceil_mode = true, .count_padding = false});
    x = scaled_conv("downsample.conv", x, width);
  }
  const int64_t inner = width / 4, groups = inner / kGroupWidth;
  y = scaled_conv("conv1", y, inner);
  y = scaled_conv("conv2", silu(y), inner, {.kernel = 3, .stride = stride, .groups = groups});
  y = scaled_conv("conv2b", silu(y), inner, {.kernel = 3, .groups = groups});
  y = scaled_conv("conv3", silu(y), width);
  y = squeeze_excitation("attn_last", y, width / 4, relu, sigmoid);
  return x + y * (kGateGain * kAlpha);
}

Tensor stem(Tensor x) {
  x = silu(scaled_conv("conv1", x, 16, {.kernel = 3, .stride = 2}));
  x = silu(scaled_conv("conv2", x, 32, {.kernel = 3}));
  x = silu(scaled_conv("conv3", x, 64, {.kernel = 3}));
  return scaled_conv("conv4", x, 128, {.kernel = 3, .stride = 2});
}

}  // namespace

Tensor nfnet_l0(Tensor image, int64_t classes) {
  Tensor x = in_scope("stem", image, stem);
  double variance = 1;
  for (size_t i = 0; i < std::size(kStages); ++i) {
    for (int64_t repeat = 0; repeat < kStages[i].repeats; ++repeat) {
      Scope scope(fmt::format("stages.{}.{}", i, repeat), x);
      x = block(x, kStages[i].width, i > 0 && repeat == 0 ? 2 : 1, variance);
      if (repeat == 0) variance = 1;
      variance += kAlpha * kAlpha;
    }
  }
  x = silu(scaled_conv("final_conv", x, 2304));
  return linear("head.fc", flatten(global_avg_pool(x)), classes, {.weight = normal(0.01)});
}

}  // namespace ag::zoo
