#include "frontend/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "frontend/layer.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/leaf.h"
#include "ir/ops/norm.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/random.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

// A layer on [batch, channels, spatial…]: checks x and spells its per-axis arguments out.
class SpatialLayer : public Layer {
 public:
  SpatialLayer(std::string_view kind, std::string_view name, const Operand& x)
      : Layer(kind, name, x), x_(x.tensor), axes_(x.tensor.rank() - 2) {
    if (axes_ < 1) {
      throw error("x is {}, but [batch, channels, spatial…] is needed", to_string(x_.type()))
          .help("reshape x, or use linear()");
    }
  }

  int axes() const { return axes_; }
  Shape extents() const { return {x_.shape().begin() + 2, x_.shape().end()}; }

  Integers per_axis(const PerAxis& argument, std::string_view name, int64_t fallback,
                    int64_t least) const {
    try {
      return argument.expanded(title(name), axes_, fallback, least);
    } catch (CompileError& error) {
      throw located(std::move(error));
    }
  }
  Integers kernel(const PerAxis& argument) const {
    if (!argument.given()) throw error("no kernel is given").help("write {.kernel = 3}");
    return per_axis(argument, "kernel", 1, 1);
  }
  Integers padding(const Padding& argument, const Integers& kernel, const Integers& stride,
                   const Integers& dilation) const {
    try {
      return argument.expanded(title("padding"), extents(), kernel, stride, dilation);
    } catch (CompileError& error) {
      throw located(std::move(error));
    }
  }
  void check_groups(int64_t groups, int64_t width) const {
    if (width < 1) throw error("width is {}, at least 1 is needed", width);
    if (groups >= 1 && x_.channels() % groups == 0 && width % groups == 0) return;
    throw error("groups is {}, which does not divide both the {} channels of x and the width {}",
                groups, x_.channels(), width)
        .help("choose a common divisor of both");
  }

 private:
  Tensor x_;
  int axes_;
};

// PyTorch's default: kaiming_uniform with a = sqrt(5), which is uniform in 1 / sqrt(fan_in).
Initializer default_weight() { return kaiming_uniform(1 / std::sqrt(3.0)); }

Tensor add_bias(const Layer& layer, Tensor y, int channel_axis, int64_t fan_in) {
  const int64_t width = y.extent(channel_axis);
  Tensor bias = layer.context().parameter("bias", y.type().with_shape({width}),
                                          uniform(1 / std::sqrt(static_cast<double>(fan_in))));
  int axis = channel_axis < 0 ? channel_axis + y.rank() : channel_axis;
  return y + broadcast(bias, y.shape(), {axis});
}

Shape joined(Shape front, const Integers& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

}  // namespace

Tensor conv(std::string_view name, Operand x, int64_t width, ConvLayer options) {
  SpatialLayer layer("conv", name, x);
  layer.check_groups(options.groups, width);
  Integers kernel = layer.kernel(options.kernel);
  Integers stride = layer.per_axis(options.stride, "stride", 1, 1);
  Integers dilation = layer.per_axis(options.dilation, "dilation", 1, 1);
  Integers padding = layer.padding(options.padding, kernel, stride, dilation);

  const int64_t inputs = x.tensor.channels() / options.groups;
  TensorType type = x.tensor.type().with_shape(joined({width, inputs}, kernel));
  Tensor weight =
      layer.context().parameter("weight", type, options.weight.value_or(default_weight()));
  Tensor y = conv(
      x, weight,
      {.stride = stride, .padding = padding, .rhs_dilation = dilation, .groups = options.groups});
  return options.bias ? add_bias(layer, y, 1, inputs * element_count(kernel)) : y;
}

Tensor depthwise_conv(std::string_view name, Operand x, ConvLayer options) {
  LocationGuard location(BuildContext::of(x, "depthwise_conv").graph(), x.where);
  const int64_t channels = x.tensor.rank() > 1 ? x.tensor.channels() : 1;
  options.groups = channels;
  return conv(name, x, channels, options);
}

Tensor conv_transpose(std::string_view name, Operand x, int64_t width, ConvTransposeLayer options) {
  SpatialLayer layer("conv_transpose", name, x);
  layer.check_groups(options.groups, width);
  Integers kernel = layer.kernel(options.kernel);
  Integers padding;
  for (int64_t both : layer.per_axis(options.padding, "padding", 0, 0))
    padding.insert(padding.end(), {both, both});

  const int64_t outputs = width / options.groups;
  TensorType type = x.tensor.type().with_shape(joined({x.tensor.channels(), outputs}, kernel));
  Tensor weight =
      layer.context().parameter("weight", type, options.weight.value_or(default_weight()));
  Tensor y = conv_transpose(
      x, weight,
      {.stride = layer.per_axis(options.stride, "stride", 1, 1),
       .padding = padding,
       .output_padding = layer.per_axis(options.output_padding, "output_padding", 0, 0),
       .dilation = layer.per_axis(options.dilation, "dilation", 1, 1),
       .groups = options.groups});
  return options.bias ? add_bias(layer, y, 1, outputs * element_count(kernel)) : y;
}

Tensor linear(std::string_view name, Operand x, int64_t width, LinearLayer options) {
  Layer layer("linear", name, x);
  const TensorType& type = x.tensor.type();
  if (type.rank() < 2 || width < 1) {
    throw layer.error("x is {} and width is {}, but [..., features] and a width above 0 are needed",
                      to_string(type), width);
  }
  const int64_t features = type.shape.back();
  Tensor weight = layer.context().parameter("weight", type.with_shape({width, features}),
                                            options.weight.value_or(default_weight()));
  Shape shape = type.shape;
  shape.back() = width;
  Tensor rows = type.rank() == 2 ? x.tensor : reshape(x, {-1, features});
  Tensor y = matmul(rows, weight, {.transpose_b = true});
  if (options.bias) y = add_bias(layer, y, 1, features);
  return type.rank() == 2 ? y : reshape(y, shape);
}

Tensor batch_norm(std::string_view name, Operand x, BatchNormLayer options) {
  Layer layer("batch_norm", name, x);
  if (x.tensor.rank() < 2)
    throw layer.error("x is {}, but [batch, channels, …] is needed", to_string(x.tensor.type()));
  BuildContext& context = layer.context();
  const TensorType type = x.tensor.type().with_shape({x.tensor.channels()});
  Tensor weight = context.parameter("weight", type, ones());
  Tensor bias = context.parameter("bias", type, zeros());
  Tensor running_mean = context.state("running_mean", type, zeros());
  Tensor running_var = context.state("running_var", type, ones());
  if (!context.training())
    return batch_norm_inference(x, weight, bias, running_mean, running_var, options.eps);

  const int64_t count = x.tensor.type().count() / x.tensor.channels();
  if (count < 2) {
    throw layer
        .error("x is {}: training needs more than one value per channel",
               to_string(x.tensor.type()))
        .help("train with a larger batch");
  }
  auto [y, mean, variance] = batch_norm_training(x, weight, bias, options.eps);
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  const double keep = 1 - options.momentum;
  context.update(running_mean, running_mean * keep + mean * options.momentum);
  context.update(running_var, running_var * keep + variance * (options.momentum * unbiased));
  return y;
}

Tensor layer_norm(std::string_view name, Operand x, LayerNormLayer options) {
  Layer layer("layer_norm", name, x);
  const int rank = x.tensor.rank();
  if (options.axes < 1 || options.axes >= rank) {
    throw layer.error("axes is {}, but x is {}", options.axes, to_string(x.tensor.type()))
        .help(fmt::format("choose 1 to {}", rank - 1));
  }
  const Shape& shape = x.tensor.shape();
  const TensorType type = x.tensor.type().with_shape({shape.end() - options.axes, shape.end()});
  Tensor weight = layer.context().parameter("weight", type, ones());
  Tensor bias = layer.context().parameter("bias", type, zeros());
  return layer_norm(x, weight, bias, rank - options.axes, options.eps);
}

namespace {

PoolOptions window_options(std::string_view kind, const Operand& x, const PoolLayer& layer) {
  const int axes = x.tensor.rank() - 2;
  if (axes < 1) {
    throw CompileError(fmt::format("{}: x is {}, but [batch, channels, spatial…] is needed", kind,
                                   to_string(x.tensor.type())));
  }
  if (!layer.kernel.given())
    throw CompileError(fmt::format("{}: no kernel is given", kind)).help("write {.kernel = 2}");
  auto named = [&](std::string_view argument) { return fmt::format("{}: {}", kind, argument); };
  PoolOptions options{.window = layer.kernel.expanded(named("kernel"), axes, 1, 1)};
  options.stride =
      layer.stride.given() ? layer.stride.expanded(named("stride"), axes, 1, 1) : options.window;
  for (int64_t both : layer.padding.expanded(named("padding"), axes, 0, 0))
    options.padding.insert(options.padding.end(), {both, both});
  options.dilation = layer.dilation.expanded(named("dilation"), axes, 1, 1);
  options.ceil_mode = layer.ceil_mode;
  return options;
}

// The arguments checked and spelled out; errors at the user's line.
PoolOptions pool_options(std::string_view kind, const Operand& x, const PoolLayer& layer) {
  if (!x.tensor.valid()) {
    throw CompileError(fmt::format("{}: x is the number {}, not a tensor", kind, x.scalar))
        .at(Location(x.where));
  }
  try {
    return window_options(kind, x, layer);
  } catch (CompileError& error) {
    throw error.at(x.tensor.graph().locate(x.where));
  }
}

}  // namespace

Tensor max_pool(Operand x, PoolLayer options) {
  return max_pool(x, pool_options("max_pool", x, options));
}

Tensor avg_pool(Operand x, PoolLayer options) {
  return avg_pool(x, pool_options("avg_pool", x, options), options.count_padding);
}

Tensor adaptive_avg_pool(Operand x, int64_t size) {
  return adaptive_avg_pool(x, Integers(std::max(0, x.tensor.rank() - 2), size));
}

namespace {

// Whether elements are dropped at all. Throws CompileError where the rate is none.
bool drops(const BuildContext& context, std::string_view layer, const Operand& x, double rate) {
  if (rate >= 0 && rate < 1) return context.training() && rate > 0;
  throw CompileError(fmt::format("{}: the rate is {}", layer, rate))
      .at(context.graph().locate(x.where))
      .help("choose a number in [0, 1): the share of elements set to zero");
}

}  // namespace

Tensor dropout(Operand x, double rate) {
  BuildContext& context = BuildContext::of(x, "dropout");
  if (!drops(context, "dropout", x, rate)) return x.tensor;
  LocationGuard location(context.graph(), x.where);
  return dropout(x, context.random_key(), rate, context.next_random_stream());
}

Tensor stochastic_depth(Operand x, double rate) {
  BuildContext& context = BuildContext::of(x, "stochastic_depth");
  if (!drops(context, "stochastic_depth", x, rate)) return x.tensor;
  LocationGuard location(context.graph(), x.where);
  Shape examples(x.tensor.rank(), 1);
  if (!examples.empty()) examples[0] = x.tensor.batch();
  Tensor kept = full(context.graph(), x.tensor.type().with_shape(examples), 1);
  return x * dropout(kept, context.random_key(), rate, context.next_random_stream());
}

}  // namespace ag
