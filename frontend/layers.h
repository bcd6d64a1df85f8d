// Layers: functions from a tensor to a tensor that make their parameters by name in the current
// scope. Names, shapes, defaults and first values are PyTorch's, so published state dicts load.
//
// x is [batch, channels, spatial…] with any number of spatial axes. Errors carry the line of the
// call.
#pragma once

#include <optional>
#include <string_view>

#include "frontend/context.h"
#include "frontend/per_axis.h"
#include "ir/ops/pool.h"
#include "ir/tensor.h"

namespace ag {

struct ConvLayer {
  PerAxis kernel;  // must be given
  PerAxis stride;  // 1
  Padding padding;
  PerAxis dilation;  // 1
  int64_t groups = 1;
  bool bias = true;
  // First values; left out: uniform in 1 / sqrt(fan_in), as PyTorch's.
  std::optional<Initializer> weight = {};
};

// Convolution to `width` channels. Parameters: weight [width, channels / groups, kernel…], bias
// [width].
Tensor conv(std::string_view name, Operand x, int64_t width, ConvLayer options);
// One filter per channel: conv with groups = width = channels.
Tensor depthwise_conv(std::string_view name, Operand x, ConvLayer options);

struct ConvTransposeLayer {
  PerAxis kernel;  // must be given
  PerAxis stride;  // 1
  PerAxis padding;
  PerAxis output_padding;
  PerAxis dilation;  // 1
  int64_t groups = 1;
  bool bias = true;
  std::optional<Initializer> weight = {};
};

// Transposed convolution. Parameters: weight [channels, width / groups, kernel…], bias [width].
Tensor conv_transpose(std::string_view name, Operand x, int64_t width, ConvTransposeLayer options);

struct LinearLayer {
  bool bias = true;
  std::optional<Initializer> weight = {};
};

// Affine map of the last axis: [..., features] to [..., width]. Parameters: weight [width,
// features], bias [width].
Tensor linear(std::string_view name, Operand x, int64_t width, LinearLayer options = {});

struct BatchNormLayer {
  double momentum = 0.1;  // of the running statistics
  double eps = 1e-5;
};

// Normalisation of each channel over batch and spatial axes (Ioffe and Szegedy, 2015). Parameters:
// weight, bias; state: running_mean, running_var. Training uses the batch's statistics and updates
// the running ones (the variance unbiased); inference uses the running ones.
Tensor batch_norm(std::string_view name, Operand x, BatchNormLayer options = {});

struct LayerNormLayer {
  int axes = 1;  // how many axes, counted from the last, form one group
  double eps = 1e-5;
};

// Normalisation over the last axes (Ba, Kiros, Hinton, 2016). Parameters: weight, bias.
Tensor layer_norm(std::string_view name, Operand x, LayerNormLayer options = {});

// Training: each element is zero with probability `rate`, else divided by 1 - rate; the numbers
// come from the state "rng.key". Inference: x.
Tensor dropout(Operand x, double rate);
// Training: each example of x is zero with probability `rate`, else divided by 1 - rate (Huang,
// Sun, Liu, Sedra, Weinberger, "Deep networks with stochastic depth", 2016). Inference: x.
Tensor stochastic_depth(Operand x, double rate);

struct PoolLayer {
  PerAxis kernel;  // must be given
  PerAxis stride;  // the kernel
  PerAxis padding;
  PerAxis dilation;           // 1; max_pool only
  bool ceil_mode = false;     // windows that begin inside x count, even when they end outside
  bool count_padding = true;  // avg_pool: padding counts in the mean
};

Tensor max_pool(Operand x, PoolLayer options);
Tensor avg_pool(Operand x, PoolLayer options);
// Means over size bins along every spatial axis (of equal size where size divides the extent).
Tensor adaptive_avg_pool(Operand x, int64_t size);

}  // namespace ag
