// Blocks that several networks share.
#pragma once

#include <string_view>

#include "frontend/layers.h"

namespace ag::zoo {

using Activation = Tensor (*)(Operand x);

// Convolution without bias (layer "0") and its batch norm (layer "1"), as torchvision names them,
// padded to keep the extents at stride 1. Stride and groups are taken from `options`. He's
// initialisation by the fan out.
Tensor conv_norm(std::string_view name, Tensor x, int64_t width, int64_t kernel,
                 ConvLayer options = {}, BatchNormLayer norm = {});

// x times a gate per channel, computed from the channels' means by two 1x1 convolutions, "fc1" to
// `squeezed` channels and "fc2" back (Hu, Shen, Albanie, Sun, Wu, "Squeeze-and-excitation
// networks", 2017).
Tensor squeeze_excitation(std::string_view name, Tensor x, int64_t squeezed, Activation activation,
                          Activation gate);

}  // namespace ag::zoo
