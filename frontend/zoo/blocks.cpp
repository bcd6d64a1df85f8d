#include "frontend/zoo/blocks.h"

#include "ir/ops/pointwise.h"

namespace ag::zoo {

Tensor conv_norm(std::string_view name, Tensor x, int64_t width, int64_t kernel, ConvLayer options,
                 BatchNormLayer norm) {
  Scope scope(name, x);
  options.kernel = kernel;
  options.padding = (kernel - 1) / 2;
  options.bias = false;
  options.weight = kaiming_normal_fan_out();
  return batch_norm("1", conv("0", x, width, options), norm);
}

Tensor squeeze_excitation(std::string_view name, Tensor x, int64_t squeezed, Activation activation,
                          Activation gate) {
  Scope scope(name, x);
  const ConvLayer point{.kernel = 1, .weight = kaiming_normal_fan_out()};
  Tensor y = activation(conv("fc1", global_avg_pool(x), squeezed, point));
  return x * gate(conv("fc2", y, x.channels(), point));
}

}  // namespace ag::zoo
